"""The list of sessions: those that run now, which refreshes itself, and those that were."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import PAGE, Registry, Wanted, registry, wanted
from admin_api.console.staff.screens import READERS, REPLAYERS, STOPPERS, Screens
from admin_api.console.staff.view import go, page
from policy.domain.sessions import LiveSession
from recorder.errors import TraceNotFound
from recorder.store.catalog import CatalogedSession, SessionFilters, SessionState
from recorder.trace.header import TraceHeader

screens = Screens()
screens.entry("menu.sessions", "/console/sessions", icon="sessions", order=20, roles=READERS)
_MOST_LIVE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One session as the lists show it. Instants are aware UTC; ``ends`` is when a live one is closed at the latest."""

    id: str
    state: str
    person: str
    login: str
    supplier: str
    device: str
    account: str
    purpose: str
    source: str
    started: datetime
    ended: datetime | None
    ends: datetime | None
    reason: str | None
    interrupted: bool = False
    altered: bool = False

    @property
    def lasted(self) -> timedelta | None:
        """How long it was; None while it runs, and where ``ended`` is when its trace was closed after its gateway's death."""
        return None if self.ended is None or self.interrupted else self.ended - self.started


@screens.get("/console/sessions", roles=READERS)
async def show(caller: StaffCaller) -> Response:
    """List the sessions that run now, and those that were, the newest first."""
    known = await registry(caller)
    asked = wanted(caller, "person", "supplier", "device", "state")
    try:
        past, after = await _past(caller, asked)
    except TraceNotFound:  # a cursor that nobody gave
        return go(asked.link("/console/sessions"))
    return await page(
        caller,
        "staff/sessions.html",
        live=await live_rows(caller, known, asked),
        past=past,
        asked=asked,
        known=known,
        older=None if after is None else asked.link("/console/sessions", after),
        evidence=asked.link("/console/evidence"),
        may_read=not REPLAYERS.isdisjoint(caller.roles),
        may_stop=not STOPPERS.isdisjoint(caller.roles),
        newest=asked.link("/console/sessions") if asked.after is not None else None,
    )


@screens.get("/console/sessions/live", roles=READERS, by_itself=True)
async def live(caller: StaffCaller) -> Response:
    """Give the part of the list that refreshes itself."""
    if not caller.partial:
        return go("/console/sessions")
    asked = wanted(caller, "person", "supplier", "device", "state")
    rows = await live_rows(caller, await registry(caller), asked)
    return await page(caller, "staff/sessions_live.html", live=rows, asked=asked)


async def live_rows(caller: StaffCaller, known: Registry, asked: Wanted | None = None) -> list[Row]:
    """Return the sessions that are open, live or lost, the newest first; only those *asked* for."""
    context = caller.context
    rows = await context.services.access.sessions(caller.hospital_id)
    filters = SessionFilters(hospital_id=caller.hospital_id, state=SessionState.LIVE)
    found = await context.catalog.sessions(filters, limit=_MOST_LIVE) if rows else None
    headers = {} if found is None else {one.header.session_id: one.header for one in found.sessions}
    made = [(one, of_policy(one, headers.get(one.session_id), known)) for one in rows]
    return [row for one, row in made if asked is None or _matches(one, asked, known)]


def of_policy(session: LiveSession, header: TraceHeader | None, known: Registry) -> Row:
    """Show a session as policy counts it; *header* is its trace's, where the catalogue has it already."""
    person = known.people.get(session.person_id)
    supplier = known.suppliers.get(person.supplier_id or "") if person is not None else None
    return Row(
        id=session.session_id,
        state=session.state.value,
        person=person.full_name if person is not None else session.person_login,
        login=session.person_login,
        supplier=supplier.name if supplier is not None else "",
        device=session.device_name,
        account=session.account_name,
        purpose=header.intervention["purpose"] if header is not None else "",
        source=session.source,
        started=session.opened_at,
        ended=session.closed_at,
        ends=session.hard_end,
        reason=session.end_reason,
    )


def of_catalog(session: CatalogedSession) -> Row:
    """Show a session as it was recorded."""
    header, closing = session.header, session.closing
    return Row(
        id=header.session_id,
        state=session.state.value,
        person=header.person["full_name"],
        login=header.person["login"],
        supplier=header.supplier["name"],
        device=header.device["name"],
        account=header.account,
        purpose=header.intervention["purpose"],
        source=header.source,
        started=header.started_at,
        ended=session.closed_at,
        ends=None,
        reason=closing.end_reason if closing is not None else None,
        interrupted=closing is not None and closing.interrupted,
        altered=session.altered,
    )


async def _past(caller: StaffCaller, asked: Wanted) -> tuple[list[Row], str | None]:
    filters = SessionFilters(
        hospital_id=caller.hospital_id,
        person_id=asked.get("person"),
        supplier_id=asked.get("supplier"),
        device_id=asked.get("device"),
        state=SessionState.ENDED,
        since=asked.since,
        until=asked.until,
    )
    found = await caller.context.catalog.sessions(filters, after=asked.after, limit=PAGE)
    return [of_catalog(one) for one in found.sessions], found.after


def _matches(session: LiveSession, asked: Wanted, known: Registry) -> bool:
    person = known.people.get(session.person_id)
    supplier = person.supplier_id if person is not None else None
    return (
        asked.get("person") in {None, session.person_id}
        and asked.get("device") in {None, session.device_id}
        and asked.get("supplier") in {None, supplier}
        and (asked.since is None or session.opened_at >= asked.since)
        and (asked.until is None or session.opened_at < asked.until)
    )
