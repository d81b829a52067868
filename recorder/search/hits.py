"""What is asked of the index, and what it finds: pieces of screens, each with its moment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from recorder.search.passages import Kind
from recorder.search.query import Query

MAX_HITS: Final = 200
AROUND: Final = 90
"""Characters shown before and after the first hit."""
_BEGIN, _END = "\x02", "\x03"
_TICK: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for, and where.

    Attributes:
        query: The words.
        whom: Identifiers that a passage's session must have, by `device`, `person` or `supplier`.
        since: At or after this aware instant.
        until: Before this aware instant.
        after: `Hits.after` of the page before.
        limit: At most so many, 1 to `MAX_HITS`.
    """

    query: Query
    whom: Mapping[str, str]
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a snippet; ``hit``: it is what was asked for."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One passage found.

    Attributes:
        session_id: In which session.
        facts: What the index knows of the session, for lists.
        kind: What it is.
        channel: On which channel.
        at_ms: When it was first there: milliseconds since the session began.
        started: When the session began.
        snippet: The line of the hit, harmless, in pieces.
    """

    session_id: str
    facts: Mapping[str, str]
    kind: Kind
    channel: int
    at_ms: int
    started: datetime
    snippet: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of hits, those indexed last first; ``after`` asks for the next one, None at the end."""

    found: list[Hit]
    after: int | None
    stopped: bool = False
    """It took too long: there may be more, and fewer words found less."""


def statement(search: Search, limit: int) -> tuple[str, list[Any]]:
    """Return the SQL of a search, and its values."""
    match = [search.query.match] if search.query.match else []
    filters = {
        **search.whom,
        **{name: search.query.filters[name] for name in ("kind",) if name in search.query.filters},
    }
    match += [f"tags : {tag(name, value)}" for name, value in sorted(filters.items())]
    values: list[Any]
    where, values = ["passages MATCH ?"] if match else ["1"], [" AND ".join(match)] if match else []
    if search.after is not None:
        where.append("passages.rowid < ?")
        values.append(search.after)
    if "session" in search.query.filters:
        where.append("traces.session_id LIKE ? || '%'")
        values.append(search.query.filters["session"].replace("%", "").replace("_", ""))
    moment = "started + 1000 * json_extract(lines, '$[0][0]')"
    for sign, at in ((">=", search.since), ("<", search.until)):
        if at is not None:
            where.append(f"{moment} {sign} ?")
            values.append(ticks(at))
    parts = (
        "SELECT passages.rowid, passages.session_id, facts, started, kind, channel, lines,",
        "highlight(passages, 0, char(2), char(3))",
        "FROM passages CROSS JOIN traces ON traces.session_id = passages.session_id",
        "WHERE",
        " AND ".join(where),
        "ORDER BY passages.rowid DESC LIMIT ?",
    )
    return " ".join(parts), [*values, limit + 1]


def hit_of(row: Sequence[Any]) -> Hit:
    """Return what a row of `statement` tells."""
    _, session_id, facts, started, kind, channel, lines, marked = row
    at_ms, line = _line(json.loads(lines), marked)
    return Hit(
        session_id=session_id,
        facts=json.loads(facts),
        kind=Kind(kind),
        channel=channel,
        at_ms=at_ms,
        started=instant(started),
        snippet=_pieces(line),
    )


def _line(lines: Sequence[Sequence[int]], marked: str) -> tuple[int, str]:
    """Return the moment and the text of the line in which the first hit stands; the first line where there is none."""
    texts = marked.split("\n")
    number = next((place for place, text in enumerate(texts) if _BEGIN in text), 0)
    return lines[min(number, len(lines) - 1)][0], texts[number]


def _pieces(line: str) -> tuple[Piece, ...]:
    """Cut a marked line around its first hit into pieces."""
    begin = max(0, line.find(_BEGIN) - AROUND)
    cut = line[begin : begin + 2 * AROUND + 200]
    pieces = [Piece("…", hit=False)] if begin else []
    hit = False
    for part in cut.replace(_END, _BEGIN).split(_BEGIN):
        if part:
            pieces.append(Piece(part, hit=hit))
        hit = not hit
    if begin + len(cut) < len(line):
        pieces.append(Piece("…", hit=False))
    return tuple(pieces)


def tag(name: str, value: str) -> str:
    """One word that stands for a value, whatever is in it."""
    return name + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def ticks(at: datetime) -> int:
    """Return an aware instant as the index keeps it: microseconds since 1970."""
    return (at - _EPOCH) // _TICK


def instant(kept: int) -> datetime:
    """Return the aware instant that `ticks` kept."""
    return _EPOCH + kept * _TICK
