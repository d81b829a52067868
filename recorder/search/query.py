"""What somebody types to search: words, "phrases", prefix*, and filters such as kind:file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from recorder.errors import QueryRefused
from recorder.search.passages import Kind

MAX_QUERY: Final = 300
MAX_WORDS: Final = 20
SHORTEST_PREFIX: Final = 2
FILTERS: Final = ("device", "person", "supplier", "session", "kind")
_TOKEN: Final = re.compile(r'(?:(?P<filter>[a-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))(?P<star>\*)?')
_SEARCHABLE: Final = re.compile(r"[^\W_]")
"""What the index makes words of: to it an underscore parts them."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: all of the words within one passage, and what the passage must belong to.

    Attributes:
        match: The words as SQLite's FTS5 takes them; empty: everything.
        filters: By name (`FILTERS`), as typed.
    """

    match: str
    filters: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> Query:
    """Read what was typed; nothing in it can mean anything to the database.

    Raises:
        QueryRefused: `empty`, `long`, `words`, `unclosed`, `star`, `prefix`, `symbols`, `twice` or `kind`.
    """
    text = text.replace("\0", " ").strip()  # to SQLite a statement's end, and no terminal shows it
    if not text:
        raise QueryRefused("empty")
    if len(text) > MAX_QUERY:
        raise QueryRefused("long", str(MAX_QUERY))
    if text.count('"') % 2:
        raise QueryRefused("unclosed")
    words: list[str] = []
    filters: dict[str, str] = {}
    for found in _TOKEN.finditer(text):
        name, word = found["filter"], found["phrase"] if found["phrase"] is not None else found["word"]
        if name in FILTERS:
            _filter(filters, name, word)
        else:
            typed = word if name is None else f"{name}:{word}"
            words.append(_word(typed, phrase=found["phrase"] is not None, star=found["star"] is not None))
    if len(words) > MAX_WORDS:
        raise QueryRefused("words", str(MAX_WORDS))
    return Query(" AND ".join(words), filters)


def _filter(filters: dict[str, str], name: str, value: str) -> None:
    if name in filters:
        raise QueryRefused("twice", name)
    if name == "kind" and value not in set(Kind):
        raise QueryRefused("kind", value)
    filters[name] = value


def _word(typed: str, *, phrase: bool, star: bool) -> str:
    prefix = star
    if not phrase and typed.endswith("*"):
        typed, prefix = typed.rstrip("*"), True
    if not phrase and "*" in typed:
        raise QueryRefused("star", typed)
    if not _SEARCHABLE.search(typed):
        raise QueryRefused("symbols", typed or "*")
    if prefix and len(_letters(typed)) < SHORTEST_PREFIX:
        raise QueryRefused("prefix", typed)
    # a string of FTS5: whatever stands in it is text, and its signs part words as they do in the index
    quoted = '"' + typed.replace('"', '""') + '"'
    return f"text : {quoted} *" if prefix else f"text : {quoted}"


def _letters(typed: str) -> str:
    return "".join(_SEARCHABLE.findall(typed))
