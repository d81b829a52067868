"""How a plain command ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

ALLOWED, REFUSED, USAGE, UNAVAILABLE = 0, 1, 2, 75
"""Exit statuses: done or open; closed; not understood; policy cannot be read (EX_TEMPFAIL)."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit ``status``, text for standard output, text for standard error; each line ends with a newline."""

    status: int
    out: str = ""
    err: str = ""


def as_json(value: object, status: int = ALLOWED) -> CommandResult:
    """Return *value* for a script."""
    return CommandResult(status, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def as_lines(lines: Sequence[str], status: int = ALLOWED) -> CommandResult:
    """Return *lines* for a person."""
    return CommandResult(status, "".join(f"{line}\n" for line in lines))


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return *rows*, all of one length and at least one, as lines whose cells stand under one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
