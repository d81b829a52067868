"""Tables: within 80 columns, and nothing broken that is read as one word."""

import io

import pytest
from rich.console import Console

from ecluse.tables import PIPE, Column, data_size, draw, whole

COLUMNS = (*whole("a", "b"), Column("c"), Column("d", wide=True), Column("e", cut=True))
ROW = ("3bae2f52", "2026-11-22 20:45", "Mise à jour du scanner et de sa console", "seulement large", "x" * 90)


def _drawn(width: int, *, terminal: bool = True) -> list[str]:
    kept = io.StringIO()
    screen = Console(file=kept, width=width, force_terminal=terminal, color_system=None)
    draw(screen, [(column, column.key.upper()) for column in COLUMNS], [ROW])
    return kept.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_table_keeps_within_the_screen(width: int) -> None:
    """No line is wider than the screen; identifiers and instants are whole, and text wraps between its words."""
    lines = _drawn(width)
    assert max(map(len, lines)) <= width
    assert "3bae2f52  2026-11-22 20:45" in lines[2]
    words = {word for line in lines[2:] for word in line.split() if "x" not in word}
    assert set(ROW[2].split()) <= words


def test_a_narrow_screen_leaves_out_the_wide_columns() -> None:
    """What a wide screen has more of is not squeezed into a narrow one."""
    assert "large" not in "".join(_drawn(80))
    assert "large" in " ".join(_drawn(120))


def test_a_cut_column_stays_on_one_line() -> None:
    """The end of a long text is left out, visibly, and never goes on below."""
    lines = [line for line in _drawn(120) if "x" in line]
    assert len(lines) == 1
    assert lines[0].rstrip().endswith("…")


def test_a_pipe_gets_one_whole_line_a_row() -> None:
    """For ``grep``: nothing cut or wrapped, no rule, no blanks at the end."""
    lines = _drawn(PIPE, terminal=False)
    assert len(lines) == 2
    assert lines[1].split("  ")[-1] == "x" * 90
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_long_cell_makes_no_other_line_of_a_pipe_long() -> None:
    """Columns are in line where cells are short; what is longer moves the rest of its own line alone."""
    kept = io.StringIO()
    screen = Console(file=kept, width=PIPE, force_terminal=False)
    rows = [("a", "x" * 200, "end"), ("b", "short", "end"), ("c", "é", "end")]
    draw(screen, [(Column(name, number=name == "n"), name) for name in ("k", "t", "e")], rows)
    lines = kept.getvalue().splitlines()
    assert lines[1] == f"a  {'x' * 200}  end"
    assert [line.index("end") for line in lines[2:]] == [45, 45]
    assert len(lines[2]) == 48


def test_a_size_is_written_as_its_language_does() -> None:
    """French counts octets, with a comma; nothing known is nothing shown."""
    assert [data_size(count, "fr") for count in (0, 2500, 120_000)] == ["0 o", "2,5 ko", "120 ko"]
    assert data_size(2500, "en") == "2.5 kB"
    assert data_size(None, "fr") is None
