"""Recordings serve security alone (S23): few places open one, and nothing adds up anybody's hours."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import ROOT, python_files, read

OPENERS = {
    "admin_api/console/staff/trace.py": "every screen of a recording goes by it, after `reading.granted`",
    "admin_api/v1/traces.py": "each rendering notes the reading, with its reason, before the first byte",
    "admin_api/live/watching.py": "whoever follows a live session is in the journal, with her reason, before it is opened",
    "admin_api/dossier/contents.py": "made by `making`, which notes a reading of each session before the first byte",
    "admin_api/verification.py": "verifies bytes as stored, and opens no seal",
    "ecluse/commands/traces.py": "a file on the reader's own machine, downloaded with a reason",
    "ecluse/viewing.py": "a file on the reader's own machine, downloaded with a reason",
}
"""Who may open a recording outside of `recorder`, and why that is journalled or needs no entry."""
_OPENS = re.compile(r"\b(?:TraceReader|LiveTrace)\(|\btraces\.(opened|read)\(")
_LASTING = re.compile(r"lasted|duration|closed_at|started_at|opened_at|hours")
_SUMS = {"sum", "avg"}
_HOURS = re.compile(r"\b(total|sum|worked|working|daily|weekly)_?(hours|time|minutes|duration)\b")


def openers(path: PurePosixPath, source: str) -> bool:
    """Tell whether a module opens recordings."""
    del path
    return _OPENS.search(source) is not None


def totals(source: str) -> Iterator[int]:
    """Give the lines on which lengths of time of sessions are added up, in SQL or in Python."""
    for node in ast.walk(ast.parse(source)) if any(name in source for name in _SUMS) else ():
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _SUMS and _LASTING.search(ast.unparse(node)):
            yield node.lineno


def test_only_known_places_open_a_recording() -> None:
    """A new way to a recording must be named here, with how its reason is asked for and journalled."""
    found = {
        str(path): openers(path, read(path))
        for path in python_files("admin_api", "ecluse")
        if not str(path).startswith("ecluse/demo/")
    }
    assert {path for path, opens in found.items() if opens} == set(OPENERS)


def test_nothing_adds_up_how_long_somebody_worked() -> None:
    """No query, route or screen sums the lengths of sessions: they are no time sheet."""
    assert [
        (str(path), line)
        for path in python_files("admin_api", "policy", "recorder", "ecluse")
        for line in totals(read(path))
    ] == []
    pages = sorted((ROOT / "admin_api/console/templates").rglob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if re.search(r"\|\s*sum\b", page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "planted",
    [
        "func.sum(sessions_closed.c.lasted)",
        "sum(row.lasted for row in rows)",
        "func.avg(t.sessions.c.closed_at - t.sessions.c.opened_at)",
    ],
)
def test_a_time_sheet_would_be_found(planted: str) -> None:
    """The rule catches what it is there for."""
    assert list(totals(f"x = {planted}")) == [1]


def test_another_way_to_a_recording_would_be_found() -> None:
    """A module that opens one is seen, whatever it is called."""
    assert openers(PurePosixPath("admin_api/v1/new.py"), "with TraceReader(folder) as reader:\n    pass")
    assert openers(PurePosixPath("admin_api/v1/new.py"), "context.traces.read(place, 0, 10)")


def test_no_answer_of_the_api_is_a_time_sheet() -> None:
    """No field of a shape is called as a sum of working time is."""
    for path in python_files("admin_api"):
        assert _HOURS.search(read(path)) is None, path
