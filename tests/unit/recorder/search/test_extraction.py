"""What of a trace's frames becomes searchable."""

import pytest

from recorder.search.extraction import extract
from recorder.search.passages import Kind
from recorder.trace.frames import Frame, FrameType, canonical
from tests.support.traces import header


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (0, 24), (80, 0), (None, None)])
def test_a_terminal_that_says_no_size_hides_nothing(columns: int | None, rows: int | None) -> None:
    """Where a client has no terminal of its own (`ssh -tt` from a program), what is shown is found all the same."""
    asked = {"request": "shell", "pty": {"term": "xterm", "columns": columns, "rows": rows}}
    frames = [
        Frame(FrameType.REQUEST, 1, 1_000_000, canonical(asked)),
        Frame(FrameType.OUTPUT, 1, 2_000_000, b"calibration finished\r\n"),
    ]
    passages = extract(header(), iter(frames))
    assert "calibration finished" in [one.text for one in passages if one.kind is Kind.SCREEN]
