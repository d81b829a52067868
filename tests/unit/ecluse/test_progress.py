"""How far a long work is, where a person looks and where a file does."""

import contextlib
import io
import os
import pty
import sys

import pytest
from rich.progress import MofNCompleteColumn, TextColumn

from ecluse.pieces import watched
from ecluse.progress import progress


def work() -> None:
    """A work of three steps, and one of two pieces that arrive."""
    with progress(TextColumn("{task.description}"), MofNCompleteColumn()) as bars:
        task = bars.add_task("traces", total=3)
        for _ in range(3):
            bars.advance(task)
            bars.refresh()
    assert list(watched(iter([b"one", b"two"]), "export", 6)) == [b"one", b"two"]


def whole(near: int) -> str:
    """Return all that was written to the other end of a terminal, which is closed: it comes in pieces."""
    pieces = []
    with contextlib.suppress(OSError):  # what Linux says at the end
        while piece := os.read(near, 65536):
            pieces.append(piece)
    os.close(near)
    return b"".join(pieces).decode()


def test_a_terminal_is_shown_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the work and how many of how many, while it goes on."""
    near, far = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with open(far, "w", encoding="utf-8") as screen:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", screen)
        work()
    shown = whole(near)
    assert "traces" in shown
    assert "3/3" in shown


def test_a_file_gets_not_a_byte(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither control characters nor an empty line, on either output."""
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stderr", kept)
    work()
    assert kept.getvalue() == ""
    assert capsys.readouterr().out == ""
