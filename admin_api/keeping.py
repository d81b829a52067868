"""Whether each gateway's traces arrive in the store, as the journal tells: no gateway is asked, and none need be alive."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from recorder.audit.entries import JournalEntry
from recorder.audit.journal import MAX_PAGE, Journal, JournalFilters

UNREACHABLE: Final = "alarm.store_unreachable"
REACHABLE: Final = "store.reachable"
FILLING: Final = "alarm.spool_filling"
EASED: Final = "alarm.spool_eased"
GAP: Final = "store.gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How it stands with one gateway that ever told of the store.

    ``unreachable_since`` is None while the store takes its traces; ``error`` is why it does not. ``percent`` is how
    full its spool was when it last passed a bound, None while there is room. ``told_at`` is when it last told.
    """

    node: str
    unreachable_since: datetime | None
    error: str | None
    percent: int | None
    told_at: datetime


async def keepings(journal: Journal, hospital_id: str) -> list[Keeping]:
    """Return how it stands with each gateway, by name; none of those that never had trouble."""
    away, back, filling, eased = [
        await _last(journal, hospital_id, name) for name in (UNREACHABLE, REACHABLE, FILLING, EASED)
    ]
    return [
        _keeping(node, *(found.get(node) for found in (away, back, filling, eased)))
        for node in sorted({*away, *filling})
    ]


async def gaps(
    journal: Journal, hospital_id: str, *, after: str | None = None, limit: int = 100
) -> tuple[list[JournalEntry], str | None]:
    """Return gap reports, the newest first, and what asks for the next ones. Raises JournalBroken."""
    filters = JournalFilters(hospital_id=hospital_id, name=GAP, newest_first=True)
    page = await journal.entries(filters, after=after, limit=limit)
    return page.entries, page.after


async def _last(journal: Journal, hospital_id: str, name: str) -> Mapping[str, JournalEntry]:
    """Return the newest entry of that *name* of each gateway, of the newest few hundred."""
    filters = JournalFilters(hospital_id=hospital_id, name=name, newest_first=True)
    found: dict[str, JournalEntry] = {}
    for entry in (await journal.entries(filters, limit=MAX_PAGE)).entries:
        found.setdefault(str(entry.event.details.get("node")), entry)
    return found


def _keeping(
    node: str,
    away: JournalEntry | None,
    back: JournalEntry | None,
    filling: JournalEntry | None,
    eased: JournalEntry | None,
) -> Keeping:
    out = _stands(away, back)
    full = _stands(filling, eased)
    told = max(one.event.at for one in (away, back, filling, eased) if one is not None)
    return Keeping(
        node=node,
        unreachable_since=None if out is None else out.event.at,
        error=None if out is None else str(out.event.details.get("error")),
        percent=None if full is None else _number(full.event.details.get("percent")),
        told_at=told,
    )


def _stands(bad: JournalEntry | None, good: JournalEntry | None) -> JournalEntry | None:
    """Return the *bad* news where no *good* one came after it, written by the same gateway."""
    if bad is None or (good is not None and _place(good) > _place(bad)):
        return None
    return bad


def _place(entry: JournalEntry) -> tuple[datetime, int]:
    return entry.event.at, entry.seq


def _number(value: object) -> int:
    return value if isinstance(value, int) else 100


def sessions_of(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what a gap report says of each session; nothing of what it does not say as it should."""
    listed = details.get("sessions")
    yield from (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, Mapping))
