"""One session: who, by which decision, what happened, how it is proved, and the cut."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.chronicle import Reader, Told, tell
from admin_api.console.staff.listing import Registry, registry
from admin_api.console.staff.screens import AUDITORS, READERS, REPLAYERS, STOPPERS, Screens
from admin_api.console.staff.sessions import Row, of_catalog, of_policy
from admin_api.console.staff.view import go, page
from admin_api.sayings import said
from admin_api.v1.erasures import recorded_of
from admin_api.v1.traces import verify_trace
from admin_api.verdict import rules, texts
from policy.domain.access import RevocationScope
from policy.domain.holds import Hold, holding
from policy.domain.ids import SessionId
from policy.domain.sessions import LiveSession
from policy.errors import NotFound
from recorder.audit.journal import JournalFilters
from recorder.errors import TraceFormatError, TraceNotFound
from recorder.store.catalog import CatalogedSession
from recorder.trace import instants

screens = Screens()
_ENTRIES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the last verification of a trace found, and when (aware UTC)."""

    at: datetime
    intact: bool
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one session: policy's word on it, and the catalogue's; one of both is there."""

    row: Row
    live: LiveSession | None
    recorded: CatalogedSession | None

    @property
    def open(self) -> bool:
        """Whether it can still be cut."""
        return self.row.ended is None and self.live is not None


@screens.get("/console/sessions/{session_id}", roles=READERS)
async def show(caller: StaffCaller) -> Response:
    """Show one session."""
    names = await registry(caller)
    known = await look(caller, names)
    reading = await caller.context.services.console_sessions.reading(caller.who, known.row.id)
    entries = await _entries(caller, names, known.row.id) if not AUDITORS.isdisjoint(caller.roles) else None
    recorded = known.recorded
    purged_at = (await caller.context.keeper.shelf.purged_at([known.row.id])).get(known.row.id)
    return await page(
        caller,
        "staff/session.html",
        known=known,
        row=known.row,
        cutting=known.open and caller.query("cut") == "1",
        was_cut=not known.open and caller.query("cut") == "1",
        header=None if recorded is None else recorded.header,
        closing=None if recorded is None else recorded.closing,
        window=None if recorded is None else _window(recorded),
        rules=[]
        if recorded is None
        else rules(recorded.header.decision, caller.language, caller.here.timezone),
        channels=[] if recorded is None else texts(recorded.header.decision.get("channels")),
        entries=entries,
        verified=await _verified(caller, known.row.id),
        may_verify=not AUDITORS.isdisjoint(caller.roles),
        reading=reading,
        holds=[] if purged_at is not None else await _holds(caller, known),
        purged_at=purged_at,
        may_read=not REPLAYERS.isdisjoint(caller.roles),
        may_stop=not STOPPERS.isdisjoint(caller.roles),
    )


@screens.get("/console/sessions/{session_id}/cut", roles=STOPPERS)
async def ask_to_cut(caller: StaffCaller) -> Response:
    """Ask for the reason before a session is cut."""
    known = await look(caller, await registry(caller))
    if not known.open:
        return go(f"/console/sessions/{known.row.id}")
    return await page(caller, "staff/session_cut.html", row=known.row)


@screens.post("/console/sessions/{session_id}/cut", roles=STOPPERS)
async def cut(caller: StaffCaller, form: FormData) -> Response:
    """Cut the session: gateways act within two seconds."""
    session_id = caller.path("session_id")
    await caller.context.services.access.session(caller.hospital_id, SessionId(session_id))
    await caller.context.services.revocations.cut(
        caller.actor, caller.hospital_id, RevocationScope.SESSION, session_id, text(form, "reason")
    )
    return go(f"/console/sessions/{session_id}?cut=1")


@screens.post("/console/sessions/{session_id}/verify", roles=AUDITORS)
async def prove(caller: StaffCaller, _form: FormData) -> Response:
    """Prove that nobody touched the trace; what was found is in the journal, and on the session's page."""
    session_id = caller.path("session_id")
    await verify_trace(caller.context, caller.principal, session_id)
    return go(f"/console/sessions/{session_id}#proof")


async def look(caller: StaffCaller, names: Registry) -> Known:
    """Return what is known of the session that the path names; raises NotFound where nothing is."""
    session_id = caller.path("session_id")
    live: LiveSession | None = None
    recorded: CatalogedSession | None = None
    try:
        live = await caller.context.services.access.session(caller.hospital_id, SessionId(session_id))
    except NotFound:
        live = None
    try:
        recorded = await caller.context.catalog.session(caller.hospital_id, session_id)
    except TraceNotFound as missing:
        if live is None:
            raise NotFound("session", session_id) from missing
    if live is not None and live.closed_at is None:
        header = None if recorded is None else recorded.header
        return Known(row=of_policy(live, header, names), live=live, recorded=recorded)
    if recorded is not None:
        row = of_catalog(recorded)
        # of one that its gateway did not live to close, policy knows better when it ended
        if live is None or (row.ended is not None and not row.interrupted):
            return Known(row=row, live=live, recorded=recorded)
    if live is None:
        raise NotFound("session", session_id)
    header = None if recorded is None else recorded.header
    return Known(row=of_policy(live, header, names), live=live, recorded=recorded)


def _window(recorded: CatalogedSession) -> tuple[datetime, datetime] | None:
    window = recorded.header.window
    try:
        return instants.parse(window["start"]), instants.parse(window["end"])
    except TraceFormatError:
        return None


async def _verified(caller: StaffCaller, session_id: str) -> Verified | None:
    if AUDITORS.isdisjoint(caller.roles):
        return None
    found = await caller.context.journal.newest(caller.hospital_id, "trace.verified", session_id=session_id)
    if found is None:
        return None
    event = found.event
    why = event.details.get("why")
    return Verified(
        at=event.at,
        intact=event.details.get("intact") is True,
        why=None if why is None else said(str(why), caller.language),
    )


async def _holds(caller: StaffCaller, known: Known) -> tuple[Hold, ...]:
    if known.recorded is None or AUDITORS.isdisjoint(caller.roles):
        return ()
    found = await caller.context.services.holds.list(caller.actor, caller.hospital_id)
    one = await recorded_of(caller.context, caller.principal, known.row.id)
    return holding(found, one, caller.context.clock.now())


async def _entries(caller: StaffCaller, names: Registry, session_id: str) -> list[Told]:
    filters = JournalFilters(hospital_id=caller.hospital_id, session_id=session_id)
    found = await caller.context.journal.entries(filters, limit=_ENTRIES)
    return [tell(entry, Reader.of(caller), names) for entry in found.entries]
