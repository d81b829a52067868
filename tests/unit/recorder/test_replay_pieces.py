"""A trace cut for a player: pauses, pieces, marks, and the pictures that pieces begin with."""

import json
from pathlib import Path
from typing import Any

import pytest

from recorder.capture.session import Recording as Live
from recorder.errors import TraceFormatError
from recorder.replay import pieces
from recorder.replay.asciicast import Event
from recorder.replay.outline import MOST_MARKS, PAUSE_US, MarkKind, Outline
from recorder.replay.picture import Picture
from recorder.replay.pieces import RecordingTooLong, cut
from recorder.replay.reader import TraceReader
from recorder.replay.screen import Drawing
from recorder.replay.timeline import Raw
from recorder.trace.frames import Frame, FrameType, canonical
from tests.support.player import play
from tests.support.traces import closed_trace

SECOND = 1_000_000


def outlined(*moments: int) -> Outline:
    """An outline of output at these moments."""
    made = Outline(80, 24)
    for at_us in moments:
        made.add(Event(at_us, "o", "x", None))
    return made


def test_pauses_are_cut_and_nothing_else_moves() -> None:
    """What is shorter than a pause keeps its length; in a longer one the time stands still; the order stays."""
    outline = outlined(0, SECOND, 61 * SECOND, 62 * SECOND, 3600 * SECOND)
    at = [outline.short_us(moment * SECOND) for moment in (0, 1, 2, 3, 30, 61, 62, 64, 2000, 3600)]
    assert at == [0, SECOND, 2 * SECOND, 3 * SECOND, 3 * SECOND, 3 * SECOND, 4 * SECOND, *[6 * SECOND] * 3]
    assert outline.short_duration_us == 6 * SECOND
    assert [cut for _, cut in outline.cuts()] == [58.0, 58.0 + 3538 - 2]
    assert PAUSE_US == 2 * SECOND


def test_a_million_files_do_not_fill_a_browser() -> None:
    """Marks beyond the limit are counted, not kept."""
    outline = Outline(80, 24)
    told = Frame(FrameType.FILE, 1, 0, canonical({"op": "read", "path": "/x", "phase": "done"}))
    for number in range(MOST_MARKS + 7):
        outline.add(Event(number, "m", "x", told))
    assert (len(outline.marks), len(outline.transfers), outline.untold) == (MOST_MARKS, MOST_MARKS, 7)


def filled(live: Live) -> None:
    """A terminal, a command, a file, hidden input, and hostile output."""
    pty = {"pty": {"term": "xterm", "columns": 40, "rows": 5}, "request": "shell"}
    live.record(FrameType.REQUEST, 1, canonical(pty))
    live.record(FrameType.OUTPUT, 1, b"\x1b]0;title\x07</script>\r\n")
    live.record(FrameType.MARKER, 1, canonical({"kind": "unseen-input", "lines": 1}))
    live.record(FrameType.RESIZE, 1, canonical({"columns": 20, "rows": 4}))
    live.record(
        FrameType.FILE, 2, canonical({"op": "upload", "path": "/f\x1b[31m", "phase": "done", "size": 3})
    )
    live.record(FrameType.OUTPUT, 1, "caf\u00e9\r\n".encode())


async def test_a_short_recording_is_one_piece_that_a_player_takes(tmp_path: Path) -> None:
    """Marks are in their place and told by kind, the size is the terminal's, and the player's own rules hold."""
    folder, _ = await closed_trace(tmp_path, filled)
    with TraceReader(folder) as reader:
        made = cut(reader)
    assert [mark.kind for mark in made.outline.marks] == [MarkKind.COMMAND, MarkKind.UNSEEN, MarkKind.FILE]
    assert [one.facts["path"] for one in made.outline.transfers] == ["/f\x1b[31m"]
    for short in (False, True):
        index, only = (
            made.index(Raw(), short=short),
            json.loads(made.piece(0, made.first(), Raw(), short=short)),
        )
        shown = play(index, {0: only}.__getitem__)
        assert index["term"] == {"cols": 40, "rows": 5}
        assert "</script>" in shown
        assert "caf\u00e9" in shown
    with pytest.raises(IndexError):
        made.piece(1, made.first(), Raw(), short=False)


async def test_a_long_recording_is_cut_and_drawn_where_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece begins with what the screen showed, whether it was drawn, or is drawn by the player out of all before."""
    monkeypatch.setattr(pieces, "SEGMENT", 700)

    def many(live: Live) -> None:
        for number in range(60):
            live._zero_ns -= 20_000_000
            live.record(FrameType.OUTPUT, 1, f"line {number} {'.' * 60}\r\n".encode())

    folder, _ = await closed_trace(tmp_path, many, write_timeout_seconds=1e6)
    with TraceReader(folder) as reader:
        made = cut(reader)
    assert len(made.segments) > 3
    drawing, pictures = Drawing(80, 24), [made.first()]
    for segment in made.segments[:-1]:
        drawing.follow_all(json.loads(segment.text))
        pictures.append(Picture(80, 24, drawing.output()))
    for short in (False, True):

        def piece(number: int, *, short: bool = short) -> dict[str, Any]:
            return dict(json.loads(made.piece(number, pictures[number], Raw(), short=short)))

        play(made.index(Raw(), short=short), piece)
    last = len(made.segments) - 1
    caught_up = made.caught_up(made.first(), 0, last)
    assert caught_up is not None
    again = Drawing(80, 24)
    again.follow("o", caught_up.output)
    assert again.screen.display == drawing.screen.display
    monkeypatch.setattr(pieces, "CAUGHT_UP", 100)
    assert made.caught_up(made.first(), 0, last) is None
    monkeypatch.setattr(pieces, "MOST", 3_000)
    with TraceReader(folder) as reader, pytest.raises(RecordingTooLong):
        cut(reader)
    assert issubclass(RecordingTooLong, TraceFormatError)


async def test_no_piece_begins_within_a_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device sent in two halves stays in one piece, or its second half would be shown as text; an endless one does not."""
    monkeypatch.setattr(pieces, "SEGMENT", 100)
    halves = ("\x1b[1;3", "1mred\x1b[0m "), ("\x1b]0;ti", "tle\x07 "), ("\x1b", "[K ")

    def many(live: Live) -> None:
        for number in range(30):
            first, second = halves[number % 3]
            for text in (f"{'.' * 90}{first}", second):
                live._zero_ns -= 20_000_000
                live.record(FrameType.OUTPUT, 1, text.encode())
        for _ in range(4):
            live._zero_ns -= 20_000_000
            live.record(FrameType.OUTPUT, 1, b"\x1b]0;" + b"t" * 90)

    folder, _ = await closed_trace(tmp_path, many, write_timeout_seconds=1e6)
    with TraceReader(folder) as reader:
        made = cut(reader)
    begun = [json.loads(segment.text)[0][2] for segment in made.segments[1:]]
    assert len(begun) > 10
    assert all(text.startswith((".", "\x1b]0;")) for text in begun)
    assert sum(text.startswith("\x1b]0;") for text in begun) >= 1


HOSTILE = (
    "\x1b]0;titre\x07\x1b]52;c;cGlyYXRl\x07\x1b]8;;http://evil.example\x07lien\x1b]8;;\x07",
    "\x1bP+q544e\x1b\\\x1b[999999999;999999999H\x1b[999999999@x",
    "\x1b[?1;2;3;4;5h\x1b[6n\x1b[?6n\x1b[c\x1b[>0q\x1b#8\x1bc",
    "\x1b[38;5;999m\x1b[38;2;999;0;0m\x1b[;;;;m\x1b[38m",
    "\x00\x07\x08\x0b\x0e\x0f\x7f\u202e\ud800",
)


@pytest.mark.parametrize("output", HOSTILE, ids=["osc", "dcs", "queries", "colours", "controls"])
def test_hostile_output_is_drawn_and_breaks_nothing(output: str) -> None:
    """Whatever a device sends, what follows it is shown, and the picture holds nothing but text and its places."""
    drawing = Drawing(40, 5)
    drawing.follow("o", output)
    drawing.follow("o", "\x1b[H\x1b[2J\x1b[0mpresent\r\n")
    drawing.follow("r", "-3xx")
    picture = drawing.output()
    assert "present" in picture
    assert not set(picture) & {"\x07", "\x9d", "\x90"}
    assert "\x1b]" not in picture
    assert "\x1bP" not in picture


def test_a_picture_is_what_the_screen_shows() -> None:
    """Drawn on an empty screen it gives the same cells, colours and cursor; behind an editor the shell is kept."""
    drawing = Drawing(30, 6)
    for output in (
        "\x1b[1;31mrouge\x1b[0m vert \x1b[48;5;22mfond\x1b[0m\r\nsuite\x1b[?25l",
        "\x1b[?1049h\x1b[H\x1b[2J\x1b[7méditeur\x1b[0m\x1b[3;5Hici",
    ):
        drawing.follow("o", output)
        same = Drawing(30, 6)
        same.follow("o", drawing.output())
        assert same.screen.display == drawing.screen.display
        assert (same.screen.cursor.x, same.screen.cursor.y) == (
            drawing.screen.cursor.x,
            drawing.screen.cursor.y,
        )
        assert [dict(row) for row in same.screen.buffer.values() if row][:2]
    drawing.follow("o", "\x1b[?1049l")
    assert drawing.screen.display[0].startswith("rouge vert fond")
