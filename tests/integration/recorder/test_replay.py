"""What replay makes of a trace, a hostile one too."""

import json
from pathlib import Path
from typing import Any

import pytest

from recorder.capture.session import Recording
from recorder.replay import asciicast, transcript
from recorder.replay.reader import TraceReader
from recorder.trace.frames import FORWARDED, FrameType, canonical
from tests.support.memory import ROOM, resident
from tests.support.traces import closed_trace

pytestmark = pytest.mark.integration
MEBIBYTE = 1 << 20
PTY = canonical({"request": "shell", "pty": {"term": "xterm-256color", "columns": 100, "rows": 30}})
HOSTILE = (
    b"\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIC8=\x07\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\"
    b"\x1bP1$r0m\x1b\\\x9b31m\x1b[2J\x1b[8mhidden\x1b[0m\x07\x08\x7f"
    + "\u202eexe.fdp\u2066\u200b\u0085\u009d0;c1\u009c\u2028".encode()
    + b"</script>\r\n"
)


async def cast_of(
    tmp_path: Path, *frames: tuple[FrameType, int, bytes], channel: int | None = None
) -> list[Any]:
    """The asciicast of a trace of these frames."""

    def fill(recording: Recording) -> None:
        for kind, number, payload in frames:
            recording.record(kind, number, payload)

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        return [json.loads(line) for line in asciicast.export(reader, channel=channel)]


def output(cast: list[Any]) -> str:
    """What a player would show."""
    return "".join(data for _, code, data in cast[1:] if code == "o")


async def test_the_cast_has_header_events_and_exit(tmp_path: Path) -> None:
    """A cast is version 3: its size, output, resizes, markers and exit status, intervals never negative."""
    cast = await cast_of(
        tmp_path,
        (FrameType.REQUEST, 1, PTY),
        (FrameType.OUTPUT, 1, b"$ "),
        (FrameType.INPUT, 1, canonical({"length": 1})),
        (FrameType.RESIZE, 1, canonical({"columns": 132, "rows": 50})),
        (FrameType.WARNING, 1, canonical({"text": "10 minutes"})),
        (FrameType.EXIT, 1, canonical({"status": 3})),
    )
    assert cast[0]["version"] == 3
    assert cast[0]["term"] == {"cols": 100, "rows": 30, "type": "xterm-256color"}
    assert [code for _, code, _ in cast[1:]] == ["m", "o", "r", "m", "x"]
    assert [data for _, code, data in cast[1:] if code in "rx"] == ["132x50", "3"]
    assert all(isinstance(interval, float) and interval >= 0 for interval, _, _ in cast[1:])


TEXT = "é€😀 écluse ñ \u0301 終"


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_characters_split_between_frames_are_whole(tmp_path: Path, size: int) -> None:
    """UTF-8 cut at any byte, on two channels and two streams that alternate, comes out as it was sent."""
    data = TEXT.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    streams = [(FrameType.OUTPUT, 1), (FrameType.ERROR_OUTPUT, 1), (FrameType.OUTPUT, 2)]
    frames = [(kind, channel, piece) for piece in pieces for kind, channel in streams]
    cast = await cast_of(tmp_path / "all", *frames)
    assert "\ufffd" not in output(cast)
    assert sorted(output(cast)) == sorted(TEXT * 3)
    cast = await cast_of(tmp_path / "one", *frames, channel=2)
    assert output(cast) == TEXT


async def test_a_character_that_never_ends_is_shown_as_broken(tmp_path: Path) -> None:
    """Half a character at the end, and bytes that are no UTF-8, become the replacement character; nothing is lost."""
    cast = await cast_of(tmp_path, (FrameType.OUTPUT, 1, b"a\xffb"), (FrameType.OUTPUT, 1, b"c\xe2\x82"))
    assert output(cast) == "a\ufffdbc\ufffd"


async def test_line_feeds_without_a_terminal_return_the_carriage(tmp_path: Path) -> None:
    """A command's output does not run down the player's screen in steps; a terminal's is left as it was."""
    cast = await cast_of(
        tmp_path,
        (FrameType.REQUEST, 1, PTY),
        (FrameType.OUTPUT, 1, b"raw\n"),
        (FrameType.REQUEST, 2, canonical({"request": "exec", "command": "ls"})),
        (FrameType.OUTPUT, 2, b"one\ntwo\r\n"),
    )
    assert [data for _, code, data in cast[1:] if code == "o"] == ["raw\n", "one\r\ntwo\r\n"]


async def test_a_cast_cannot_close_the_page_around_it(tmp_path: Path) -> None:
    """Every line is one line of ASCII without a `<`, whatever the device sent; the player still gets all of it."""

    def fill(recording: Recording) -> None:
        recording.record(FrameType.OUTPUT, 1, HOSTILE)

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = list(asciicast.export(reader))
    assert all(line.isascii() and line.isprintable() and "<" not in line for line in lines)
    assert "</script>" in json.loads(lines[1])[2]


async def test_sizes_beyond_belief_are_not_exported(tmp_path: Path) -> None:
    """A hostile size would make a player allocate a screen of its choice."""
    huge = canonical({"request": "shell", "pty": {"term": "x", "columns": 10**9, "rows": 1}})
    cast = await cast_of(
        tmp_path, (FrameType.REQUEST, 1, huge), (FrameType.RESIZE, 1, canonical({"columns": -1, "rows": 5}))
    )
    assert cast[0]["term"] == {"cols": 80, "rows": 24}
    assert "r" not in [code for _, code, _ in cast[1:]]


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_transcript_is_harmless_and_complete(tmp_path: Path, size: int) -> None:
    """However the bytes are cut, no control, bidi or format character is left, and no text is missing."""

    def fill(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, PTY)
        for at in range(0, len(HOSTILE), size):
            recording.record(FrameType.OUTPUT, 1, HOSTILE[at : at + size])

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = list(transcript.render(reader))
    assert all(line.isprintable() for line in lines)
    shown = "".join(line[3:] for line in lines if line.startswith("1| "))
    for text in (
        "owned",
        "cm0gLXJmIC8=",
        "http://evil",
        "click",
        "hidden",
        "exe.fdp",
        "</script>",
        "\\u202e",
    ):
        assert text in shown
    assert "\\x1b[" not in shown  # colours and moves, and only they, are left out


async def test_output_cannot_pass_for_an_event(tmp_path: Path) -> None:
    """Lines of output carry their channel's mark, whatever line end came before them."""

    def fill(recording: Recording) -> None:
        for end in (b"\n", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8"):
            recording.record(FrameType.OUTPUT, 1, end + b"* 00:00:00.000 exit status=0")

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = [split for line in transcript.render(reader) for split in line.splitlines()]
    assert [line for line in lines if line.startswith("*") and "exit" in line] == []


async def test_a_line_without_end_stays_bounded(tmp_path: Path) -> None:
    """Megabytes without a line feed come out in lines of a bounded length, and all of them."""

    def fill(recording: Recording) -> None:
        for _ in range(64):
            recording.record(FrameType.OUTPUT, 1, b"x" * 32768)

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = [line[3:] for line in transcript.render(reader) if line.startswith("1| ")]
    assert max(map(len, lines)) == transcript.LINE_LIMIT
    assert sum(map(len, lines)) == 64 * 32768


async def test_requests_and_files_are_lines_of_the_transcript(tmp_path: Path) -> None:
    """What was asked and which files moved is told in one harmless line each, in order."""

    def fill(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, canonical({"request": "subsystem", "subsystem": "sftp"}))
        recording.record(FrameType.OUTPUT, 1, b"not an event")
        path = "/tmp/\x1b]0;x\x07\u202etxt"
        recording.record(FrameType.FILE, 1, canonical({"op": "put", "path": path, "sha256": "ab"}))

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = list(transcript.render(reader))
    assert [line.partition("[1] ")[2] for line in lines if "[1]" in line] == [
        "request request=subsystem subsystem=sftp",
        r"file op=put path=/tmp/\x1b]0;x\x07\u202etxt sha256=ab",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("scanner n°1\u00a0: prêt", "scanner n°1\u00a0: prêt"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc", r"a\x0ab\x09c"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\U000e0041\ud800\x9b", r"\U000e0041\ud800\x9b"),
    ],
)
def test_neutralise_shows_what_would_act(text: str, shown: str) -> None:
    """Text from strangers keeps its letters; all that acts on a screen becomes a visible escape."""
    assert transcript.neutralise(text) == shown


async def test_what_passed_on_a_port_is_on_no_screen(tmp_path: Path) -> None:
    """Bytes of a forwarded port are in the trace, and neither painted by a player nor printed by a transcript."""
    port = canonical({"kind": FORWARDED, "host": "localhost", "port": 443, "label": "console"})

    def fill(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, PTY)
        recording.record(FrameType.OUTPUT, 1, b"shown\r\n")
        recording.record(FrameType.OPEN, 2, port)
        recording.record(FrameType.OUTPUT, 2, b"\x16\x03sealed\r\n")
        recording.record(FrameType.EXIT, 2, canonical({"lost": False, "input": 1, "output": 10}))

    trace, _ = await closed_trace(tmp_path, fill)
    with TraceReader(trace) as reader:
        lines = list(transcript.render(reader))
    with TraceReader(trace) as reader:
        cast = [json.loads(line) for line in asciicast.export(reader)]
    assert "shown" in output(cast)
    assert "sealed" not in output(cast)
    assert any("shown" in line for line in lines)
    assert not any("sealed" in line for line in lines)
    assert any("open" in line and "port=443" in line for line in lines)
    assert any("output=10" in line for line in lines)


async def test_a_line_of_a_hundred_megabytes_passes_in_pieces(tmp_path: Path) -> None:
    """Transcript and cast give all of it, a bounded piece at a time; neither holds the line."""

    def fill(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, PTY)
        for _ in range(100):
            recording.record(FrameType.OUTPUT, 1, b"A" * MEBIBYTE)

    trace, _ = await closed_trace(tmp_path, fill)
    for render, longest in ((transcript.render, 5_000), (asciicast.export, 2 * MEBIBYTE)):
        before, seen, most = resident(), 0, 0
        with TraceReader(trace) as reader:
            for number, line in enumerate(render(reader)):
                assert len(line) <= longest
                seen += line.count("A")
                if number % 50 == 0:
                    most = max(most, resident())
        assert seen >= 100 * MEBIBYTE
        assert most - before < ROOM
