"""A typed line taken apart: hostile, bounded text.

ssh joins the words that it was given by spaces and forgets the quotes around them, so that ``--why "More time"``
arrives as ``--why More time``, and ``--why "l'image"`` with an apostrophe that closes nothing. A value therefore
goes on to the next ``--option``, and a quote counts only around a whole word or value: a shell's rules (shlex)
would refuse the second line, or swallow its apostrophes without a word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import CommandMisused

LONGEST_LINE: Final = 4096
MOST_WORDS: Final = 512
JSON, HELP = "--json", "--help"

_WORD = re.compile(r""""([^"]*)"(?!\S)|'([^']*)'(?!\S)|(\S+)""")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one command takes: words in their places, then options that have a value each.

    ``places`` must all be there, ``more`` may follow them; ``needed`` are options that must be there, ``may`` others.
    ``loose``: more words than places are no mistake. ``text`` is the option whose value, where it is left out, is read from standard input.
    """

    name: str
    places: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    text: str = ""
    loose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A line understood. ``places`` and ``options`` hold what was typed, options by their name with dashes."""

    name: str
    places: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False
    wants_help: bool = False


def words(line: str) -> list[str]:
    """Return the words of *line*; raises CommandMisused where it is too long."""
    if len(line) > LONGEST_LINE:
        raise CommandMisused("command.too-long", limit=LONGEST_LINE)
    found = [next(part for part in match.groups() if part is not None) for match in _WORD.finditer(line)]
    if len(found) > MOST_WORDS:
        raise CommandMisused("command.too-long", limit=LONGEST_LINE)
    return found


def parse(line: str, shapes: Mapping[str, Shape]) -> Typed:
    """Take *line* apart after the shape of the command that it begins with; an empty one is ``help``.

    Raises CommandMisused, with the sentence for the person, for whatever is wrong with it.
    """
    found = words(line)
    as_json, wants_help = JSON in found, HELP in found
    name, *rest = [word for word in found if word not in {JSON, HELP}] or ["help"]
    shape = shapes.get(name)
    if shape is None:
        raise CommandMisused("command.unknown", typed=name)
    if wants_help:
        return Typed(name=name, as_json=as_json, wants_help=True)
    placed, options = (list(rest), {}) if shape.loose else _apart(shape, rest)
    return Typed(
        name=name,
        places=dict(zip((*shape.places, *shape.more), placed, strict=False)),
        options=options,
        as_json=as_json,
    )


def _apart(shape: Shape, rest: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    placed: list[str] = []
    values: dict[str, list[str]] = {}
    option = ""
    for word in rest:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            if option not in (*shape.needed, *shape.may):
                raise CommandMisused("command.unknown-option", shape.name, option=option)
            if option in values:
                raise CommandMisused("command.twice", shape.name, option=option)
            values[option] = [value] if equals else []
        elif option:
            values[option].append(word)
        else:
            placed.append(word)
    if len(placed) > len(shape.places) + len(shape.more):
        raise CommandMisused(
            "command.too-many", shape.name, typed=placed[len(shape.places) + len(shape.more)]
        )
    if len(placed) < len(shape.places):
        raise CommandMisused(f"command.place-{shape.places[len(placed)]}", shape.name)
    options = {name: _unquoted(" ".join(value)) for name, value in values.items()}
    for name in shape.needed:
        if name not in options:
            raise CommandMisused("command.missing", shape.name, option=name)
    for name, text in options.items():
        if not text:
            raise CommandMisused("command.empty", shape.name, option=name)
    return placed, options


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if _QUOTED.fullmatch(text) else text
