"""The first screen: what needs attention now, and what goes on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.chronicle import Reader, tell
from admin_api.console.staff.listing import Registry, registry
from admin_api.console.staff.screens import AUDITORS, READERS, Screens
from admin_api.console.staff.sessions import Row, live_rows
from admin_api.console.staff.view import page
from admin_api.keeping import FILLING, UNREACHABLE, keepings
from admin_api.verification import VERIFIED, last_verified
from policy.domain.alarms import Severity
from policy.domain.exercises import due
from policy.domain.people import Role
from policy.domain.windows import WindowState
from recorder.audit.journal import MAX_PAGE, JournalFilters

screens = Screens()
screens.entry("menu.home", "/console", icon="home", order=10, roles=READERS)
_LATELY: Final = timedelta(hours=24)
_COMING: Final = timedelta(days=14)
_SHOWN: Final = 8
_VERIFIED_DAYS: Final = 32
"""The longest time between two verifications of everything that can be set, and a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Something to look at: how many, a sentence's key under ``home.card``, how bad, and where to look."""

    key: str
    count: int
    level: str
    path: str | None = None
    more: bool = False
    """Whether there are more than were counted."""


Maker = Callable[[StaffCaller, list[Row]], Awaitable[Card | None]]


@screens.get("/console", roles=READERS)
async def show(caller: StaffCaller) -> Response:
    """Show what needs attention now."""
    known = await registry(caller)
    live = await live_rows(caller, known)
    cards = [card for card in [await make(caller, live) for make in CARDS] if card is not None]
    cards.sort(key=lambda card: ("alarm", "warning", "calm").index(card.level))
    return await page(
        caller, "staff/home.html", cards=cards, live=live, told=await _lately(caller, known), known=known
    )


async def _live(_caller: StaffCaller, live: list[Row]) -> Card | None:
    return Card(
        key="live", count=sum(row.state == "live" for row in live), level="calm", path="/console/sessions"
    )


async def _lost(_caller: StaffCaller, live: list[Row]) -> Card | None:
    lost = sum(row.state == "lost" for row in live)
    return Card(key="lost", count=lost, level="alarm", path="/console/sessions") if lost else None


async def _windows(caller: StaffCaller, _live: list[Row]) -> Card | None:
    now = caller.context.clock.now()
    waiting = await caller.context.services.windows.list(
        caller.actor, caller.hospital_id, start=now, end=now + _COMING, state=WindowState.PLANNED
    )
    if not waiting:
        return None
    hers = Role.PLANNER in caller.roles
    return Card(
        key="windows" if hers else "windows_waiting", count=len(waiting), level="warning" if hers else "calm"
    )


async def _denied(caller: StaffCaller, _live: list[Row]) -> Card | None:
    return await _counted(caller, "denied", "access.denied", "warning")


async def _locked(caller: StaffCaller, _live: list[Row]) -> Card | None:
    return await _counted(caller, "locked", "authentication.locked", "warning")


async def _alarms(caller: StaffCaller, _live: list[Row]) -> Card | None:
    if AUDITORS.isdisjoint(caller.roles):
        return None
    found = await caller.context.services.alarms.list(caller.actor, caller.hospital_id)
    if not found:
        return None
    grave = any(one.severity is not Severity.NOTICE for one in found)
    level = "alarm" if grave else "warning"
    return Card(key="alarms", count=len(found), level=level, path="/console/alarms")


async def _store(caller: StaffCaller, _live: list[Row]) -> Card | None:
    found = await keepings(caller.context.journal, caller.hospital_id)
    away = sum(one.unreachable_since is not None for one in found)
    return Card(key="store", count=away, level="alarm", path=_told_of(caller, UNREACHABLE)) if away else None


async def _spool(caller: StaffCaller, _live: list[Row]) -> Card | None:
    found = await keepings(caller.context.journal, caller.hospital_id)
    fullest = max((one.percent or 0 for one in found), default=0)
    return (
        Card(key="spool", count=fullest, level="alarm", path=_told_of(caller, FILLING)) if fullest else None
    )


def _told_of(caller: StaffCaller, name: str) -> str | None:
    return None if AUDITORS.isdisjoint(caller.roles) else f"/console/journal?name={name}"


async def _exercise(caller: StaffCaller, _live: list[Row]) -> Card | None:
    now = caller.context.clock.now()
    found = await caller.context.services.exercises.list(caller.actor, caller.hospital_id)
    last = next((one for one in found if one.result is not None), None)
    if last is None:
        return Card(key="exercise_none", count=0, level="calm", path="/console/general-cut")
    wanted = due(last, now)
    key, level = ("exercise_due", "warning") if wanted else ("exercise", "calm")
    return Card(key=key, count=(now - last.begun_at).days, level=level, path="/console/general-cut")


async def _closed(caller: StaffCaller, _live: list[Row]) -> Card | None:
    closed = caller.here.closure is not None
    return Card(key="closed", count=1, level="alarm", path="/console/general-cut") if closed else None


async def _verified(caller: StaffCaller, _live: list[Row]) -> Card | None:
    last = await last_verified(caller.context.journal, caller.hospital_id)
    path = _told_of(caller, VERIFIED)
    if last is None:
        return Card(key="verified_never", count=0, level="calm", path=path)
    days = (caller.context.clock.now() - last.at).days
    if not last.intact:
        return Card(
            key="verified_touched", count=int(last.details.get("findings", 1)), level="alarm", path=path
        )
    if days == 0:
        return Card(key="verified_today", count=0, level="calm", path=path)
    return Card(key="verified", count=days, level="warning" if days > _VERIFIED_DAYS else "calm", path=path)


CARDS: Final[list[Maker]] = [
    _closed,
    _exercise,
    _verified,
    _store,
    _spool,
    _alarms,
    _lost,
    _locked,
    _denied,
    _windows,
    _live,
]
"""What the first screen asks; each answers with a card, or with None where there is nothing to say."""


async def _counted(caller: StaffCaller, key: str, name: str, level: str) -> Card | None:
    if AUDITORS.isdisjoint(caller.roles):
        return None
    since = caller.context.clock.now() - _LATELY
    filters = JournalFilters(hospital_id=caller.hospital_id, name=name, since=since, newest_first=True)
    found = await caller.context.journal.entries(filters, limit=MAX_PAGE)
    if not found.entries:
        return None
    return Card(
        key=key,
        count=len(found.entries),
        level=level,
        path=f"/console/journal?name={name}",
        more=found.after is not None,
    )


async def _lately(caller: StaffCaller, known: Registry) -> list[object]:
    if AUDITORS.isdisjoint(caller.roles):
        return []
    filters = JournalFilters(hospital_id=caller.hospital_id, newest_first=True)
    found = await caller.context.journal.entries(filters, limit=_SHOWN)
    return [tell(entry, Reader.of(caller), known) for entry in found.entries]
