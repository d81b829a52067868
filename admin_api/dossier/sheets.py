"""Tables for spreadsheets (RFC 4180), in which nothing that a stranger wrote is a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from recorder.replay.neutral import neutralise

_BOM: Final = b"\xef\xbb\xbf"
"""Without it a spreadsheet reads accents by the computer's own code page."""
_ACTIVE: Final = ("=", "+", "-", "@", "\t", "\r")
_LONGEST: Final = 8000


def sheet(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield a table of *rows* under *heads*, a row at a time."""
    yield _BOM + _line(heads)
    for row in rows:
        yield _line([cell(value) for value in row])


def cell(value: object) -> str:
    """Return *value* as the text of one cell: bounded, with nothing that acts in it, and no formula."""
    text = "" if value is None else str(value)
    shown = neutralise(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    return f"'{shown}" if shown.lstrip().startswith(_ACTIVE) else shown


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode("utf-8", "backslashreplace")
