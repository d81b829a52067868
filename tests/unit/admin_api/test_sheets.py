"""Cells of the tables in an evidence package, whatever a stranger wrote into them."""

import csv
import io

import pytest

from admin_api.dossier.sheets import cell, sheet

HUNDRED_MEGABYTES = 100_000_000


@pytest.mark.parametrize("active", ["=1+1", "+1", "-1", "@SUM(1)", "  =1", "\t=1", "\r=1", "\x1b]0;x\x07=1"])
def test_no_cell_is_a_formula(active: str) -> None:
    """What a spreadsheet would run, also behind blanks and control codes, begins with an apostrophe or a plain letter."""
    assert not cell(active).lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_cell_is_bounded_and_stays_one_cell() -> None:
    """A hundred megabytes are cut and say so; quotes, line breaks and separators make no further cell or row."""
    long = cell("A" * HUNDRED_MEGABYTES)
    assert len(long) < 9_000
    assert long.endswith("…")
    hostile = 'a";\r\n=1,</script>\u2028\u202e'
    made = b"".join(sheet(("one", "two"), [(hostile, None), (hostile, 1)])).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(made, newline="")))
    assert [len(row) for row in rows] == [2, 2, 2]
    assert rows[2][1] == "1"
    assert not set(rows[1][0]) & set("\r\n\u2028\u202e")
