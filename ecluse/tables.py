"""Tables for people: light, and within the screen's width, with nothing broken that is read as one word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 100
"""From this many columns of the screen on, tables show their wide columns too."""
PIPE = 4096
"""The width where nobody looks: each row stays on one line, for ``grep``."""
_LONGEST = 40
"""To so many columns the cells of one are made equally wide in a pipe."""
_STEP = 1000
_TENTHS_BELOW = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: *key* names its heading in the catalogue.

    *whole*: never broken over lines (identifiers, instants, names). *cut*: on one line, its end left out where room
    lacks. *wide*: left out on a narrow screen. *number*: to the right. Otherwise it wraps between words.
    """

    key: str
    whole: bool = False
    cut: bool = False
    wide: bool = False
    number: bool = False


def whole(*keys: str) -> tuple[Column, ...]:
    """Return columns that are never broken over lines."""
    return tuple(Column(key, whole=True) for key in keys)


def draw(screen: Console, headings: Sequence[tuple[Column, str]], rows: Sequence[Sequence[str]]) -> None:
    """Write *rows*, a cell a heading, on *screen*; what is in a cell is shown and never obeyed."""
    if screen.width == PIPE:
        told = [[heading for _, heading in headings], *rows]
        screen.file.writelines(f"{line}\n" for line in _lines(told, [column for column, _ in headings]))
        return
    # in a pipe nobody needs a line drawn, nor blanks at the end of one
    box = SIMPLE_HEAD if screen.is_terminal else None
    table = Table(
        box=box,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1 if screen.is_terminal else 2, 0, 0),
        header_style="bold",
    )
    shown = [place for place, (column, _) in enumerate(headings) if screen.width >= WIDE or not column.wide]
    for place in shown:
        column, heading = headings[place]
        table.add_column(
            Text(heading, no_wrap=column.cut, overflow="ellipsis" if column.cut else None),
            overflow="ellipsis" if column.whole else "fold",
            no_wrap=column.whole,
            justify="right" if column.number else "left",
        )
    for row in rows:
        table.add_row(*(_cell(headings[place][0], row[place]) for place in shown))
    put(screen, table)


def put(screen: Console, table: Table) -> None:
    """Write *table* on *screen*, without blanks at the end of a line where it is no terminal."""
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as drawn:
        screen.print(table)
    screen.file.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())


def _lines(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> Iterator[str]:
    """Yield *rows* for a pipe, each on one line: what is longer than most moves the rest of its own line alone."""
    widths = [min(_LONGEST, max(map(cell_len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            " " * (width - cell_len(text)) + text if column.number else text + " " * (width - cell_len(text))
            for text, width, column in zip(row, widths, columns, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _cell(column: Column, text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis") if column.cut else Text(text)


def data_size(count: int | None, language: str) -> str | None:
    """Return *count* bytes in the largest unit that leaves a digit before the point, as *language* writes it; None for none."""
    if count is None:
        return None
    size, units = float(count), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while size >= _STEP and (larger := next(units, None)) is not None:
        size, unit = size / _STEP, larger
    shown = f"{size:.0f} {unit}" if unit == "B" or size >= _TENTHS_BELOW else f"{size:.1f} {unit}"
    return shown.replace(".", ",").replace("B", "o") if language == "fr" else shown
