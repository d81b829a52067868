"""A trace told in sentences: every frame that the product writes has one, in both languages; hostile ones do no harm."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.narration import Narrator
from admin_api.wording import templates
from gateway.session.reasons import EndReason
from policy import i18n
from policy.domain.people import Language
from recorder.replay.timeline import summary
from recorder.trace.frames import Frame, FrameType, canonical
from tests.support.traces import header

ROOT = Path(__file__).resolve().parents[3]
PTY = {"term": "xterm", "columns": 80, "rows": 24, "modes": {}}
TOLD: list[tuple[FrameType, dict[str, Any], str]] = [
    (FrameType.OPEN, {"kind": "session"}, "Channel opened"),
    (
        FrameType.OPEN,
        {"kind": "direct-tcpip", "host": "localhost", "port": 443, "label": "console"},
        "Port 443 of the device opened (console)",
    ),
    (
        FrameType.REQUEST,
        {"request": "shell", "pty": PTY},
        "Asks for a shell, on a terminal xterm of 80 by 24",
    ),
    (FrameType.REQUEST, {"request": "exec", "command": "awk '{print}'"}, "Runs: awk '{print}'"),
    (FrameType.REQUEST, {"request": "subsystem", "subsystem": "sftp"}, "Asks for the subsystem sftp"),
    (
        FrameType.REFUSED,
        {"request": "x11-req", "reason": "refused.x11", "rule": "E6"},
        "Refused (PGSSIS-E6): x11-req - graphical display (ssh -X) is not allowed.",
    ),
    (
        FrameType.REFUSED,
        {
            "request": "direct-tcpip",
            "host": "10.0.0.1",
            "port": 80,
            "reason": "refused.forward-local",
            "rule": "E6",
        },
        "direct-tcpip 10.0.0.1 80 - port forwarding",
    ),
    (
        FrameType.FILE,
        {
            "op": "upload",
            "phase": "done",
            "path": "/tmp/x",
            "size": 12,
            "sha256": "ab",
            "result": "ok",
        },
        "Sent to the device: /tmp/x (12 bytes, SHA-256 ab, done)",
    ),
    (
        FrameType.FILE,
        {"op": "upload", "phase": "done", "path": "/tmp/x", "size": 1},
        "Sent to the device: /tmp/x (1 byte)",
    ),
    (
        FrameType.FILE,
        {"op": "rename", "phase": "asked", "path": "/a", "target": "/b"},
        "Renamed: /a → /b (asked)",
    ),
    (FrameType.WARNING, {"text": "10 minutes"}, "The gateway wrote: 10 minutes"),
    (FrameType.RESIZE, {"columns": 132, "rows": 50}, "Terminal of 132 by 50 now"),
    (FrameType.SIGNAL, {"signal": "INT"}, "Signal INT sent"),
    (FrameType.BREAK, {"milliseconds": 500}, "Break of 500 ms"),
    (FrameType.GAP, {"kind": "limit", "stream": "input", "kept": 8}, "beyond 8 bytes"),
    (FrameType.GAP, {"kind": "limit", "stream": "output", "kept": 8}, "what the device sends"),
    (FrameType.GAP, {"kind": "transfer"}, "contents of files are not kept"),
    (
        FrameType.GAP,
        {"kind": "ended", "input": 1, "output": 2},
        "in bytes: 1 from the person, 2 from the device",
    ),
    (FrameType.GAP, {"kind": "interrupted", "torn_bytes": 7}, "(bytes of it kept beside: 7)"),
    (FrameType.MARKER, {"kind": "unseen-input", "lines": 3}, "did not show: 3"),
    (FrameType.MARKER, {"kind": "open-secret-input"}, "in the clear in this command's input"),
    (FrameType.MARKER, {"kind": "protocol", "detail": "odd"}, "outside its protocol: odd"),
    (FrameType.DIGEST, {"stream": "input", "bytes": 12, "sha256": "ab"}, "in bytes: 12; SHA-256 ab"),
    (FrameType.EOF, {"from": "device"}, "The device sends no more"),
    (FrameType.EXIT, {"status": 3}, "Ended with status 3"),
    (FrameType.EXIT, {"signal": "TERM", "core_dumped": False}, "Ended by signal TERM"),
    (FrameType.EXIT, {"lost": True}, "The device was lost"),
    (FrameType.EXIT, {"lost": False, "input": 3, "output": 4}, "in bytes: 3 from the person"),
    (
        FrameType.REFUSED,
        {"request": "direct-tcpip", "host": "localhost", "port": 443, "reason": "device.refused"},
        "Refused by the device: direct-tcpip localhost 443",
    ),
    (
        FrameType.END,
        {
            "reason": "factor",
            "failed": [
                {"rule": "S35", "key": "finding.S35.key_removed", "fingerprint": "SHA256:x", "by": "dsi"}
            ],
        },
        "S35 - The key SHA256:x, which this log-in was made with, has been taken away (by dsi).",
    ),
    (
        FrameType.END,
        {
            "reason": "cut",
            "failed": [
                {
                    "rule": "X35",
                    "key": "finding.X35.cut",
                    "at": "2026-11-29T10:38:07.521930Z",
                    "reason": "Frozen screen",
                }
            ],
        },
        "(X35 - Cut by the hospital on Sunday 29 November 2026 at 11:38 (UTC+1): Frozen screen)",
    ),
    (FrameType.END, {"reason": "left"}, "End of the session: the person closed her connection"),
]


def narrator(language: Language = Language.ENGLISH) -> Narrator:
    """Return one that knows the gateway's reasons."""
    return Narrator(language, "Europe/Paris", (i18n.load("gateway"),))


def frame(kind: FrameType, told: object) -> Frame:
    """Return a frame of one channel."""
    return Frame(kind, 1, 0, canonical(told))


@pytest.mark.parametrize(("kind", "told", "sentence"), TOLD)
def test_each_frame_is_a_sentence_in_both_languages(
    kind: FrameType, told: dict[str, Any], sentence: str
) -> None:
    """English reads as written here, French says it otherwise, and neither shows the format's own words."""
    english = narrator().event(frame(kind, told))
    french = narrator(Language.FRENCH).event(frame(kind, told))
    assert sentence in english
    assert french != english
    for text in (english, french):
        assert "=" not in text.replace(str(told.get("command")), "")
        assert text != summary(frame(kind, told))


def test_every_reason_why_a_session_ends_has_its_words() -> None:
    """Each end that the gateway, the recorder and the recovery give is told in words."""
    words = {f"trace.end.{reason.value}" for reason in EndReason}
    words |= {"trace.end.interrupted", "trace.end.recording_failed"}
    for language in Language:
        assert words <= set(templates("trace.end.", language))


def test_every_file_operation_that_a_tap_notes_has_its_words() -> None:
    """The names of operations in the taps are those of the catalogue."""
    sources = (ROOT / "gateway" / "session" / "transfer").glob("*.py")
    text = "".join(path.read_text() for path in sources)
    noted = set(re.findall(r'op = "([a-z-]+)"', text)) | set(
        re.findall(r'_(?:looks|changes|moves)\("([a-z-]+)"\)', text)
    )
    assert len(noted) > 10
    told = templates("trace.file.", Language.FRENCH)
    assert {f"trace.file.{name}" for name in noted} <= set(told)


def test_the_head_says_who_what_for_and_by_which_window() -> None:
    """The first lines name the person, her supplier, the device, the purpose and the window, on the hospital's clock."""
    lines = "\n".join(narrator().head(header("a" * 32)))
    for word in ("Alice Martin", "Imagerie du Nord", "scan01", "maint-alice", "Change the tube"):
        assert word in lines
    assert "01:00:00 CET to 2026-03-29 06:00:00 CEST" in lines


@given(
    kind=st.sampled_from(
        [kind for kind in FrameType if kind not in {FrameType.OUTPUT, FrameType.ERROR_OUTPUT}]
    ),
    told=st.dictionaries(
        st.sampled_from(
            ["kind", "reason", "request", "op", "path", "phase", "from", "pty", "stream", "text", "self"]
        ),
        st.one_of(st.text(max_size=20), st.integers(), st.none(), st.lists(st.integers(), max_size=2)),
    ),
)
def test_a_frame_that_nobody_has_a_sentence_for_is_told_all_the_same(kind: FrameType, told: object) -> None:
    """Whatever a frame holds, there is one line about it and no error: a transcript goes on to its end."""
    assert narrator().event(frame(kind, told))


def test_a_reason_that_is_another_sentence_s_key_does_no_harm() -> None:
    """A trace that names a sentence with places to fill is told by the key."""
    told = {"request": "x", "reason": "device.unreachable", "rule": "E6"}
    assert "device.unreachable" in narrator().event(frame(FrameType.REFUSED, told))


def test_braces_of_a_stranger_stay_braces() -> None:
    """What a device or a client wrote is never taken for a template."""
    told = {"request": "exec", "command": "{asked.__class__} {0} {"}
    assert "{asked.__class__} {0} {" in narrator().event(frame(FrameType.REQUEST, told))
