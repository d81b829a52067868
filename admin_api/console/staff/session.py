"""One session: who, by which decision, what happened, how it is proved, and the cut."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.chronicle import Told, tell
from admin_api.console.staff.listing import Registry, registry
from admin_api.console.staff.screens import AUDITORS, READERS, REPLAYERS, STOPPERS, Screens
from admin_api.console.staff.sessions import Row, of_catalog, of_policy
from admin_api.console.staff.view import go, page
from admin_api.sayings import said
from admin_api.v1.traces import verify_trace
from policy import i18n
from policy.domain.access import Finding, RevocationScope
from policy.domain.factors import Factor, Level
from policy.domain.ids import SessionId
from policy.domain.interventions import InterventionKind
from policy.domain.sessions import LiveSession
from policy.domain.windows import Channel
from policy.errors import MissingMessage, NotFound
from recorder.audit.journal import JournalFilters
from recorder.errors import TraceFormatError, TraceNotFound
from recorder.store.catalog import CatalogedSession
from recorder.trace import instants

screens = Screens()
_ENTRIES: Final = 200
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$")
_KINDS: Final[Mapping[str, type[StrEnum]]] = {
    "factors": Factor,
    "level": Level,
    "demanded": Level,
    "kind": InterventionKind,
    "channels": Channel,
}
"""What the arguments of findings are, by their names: a trace keeps their plain form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the decision. ``sentence`` is None where the trace kept only its code."""

    label: str
    held: bool
    sentence: str | None


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
    return await page(
        caller,
        "staff/session.html",
        known=known,
        row=known.row,
        header=None if recorded is None else recorded.header,
        closing=None if recorded is None else recorded.closing,
        window=None if recorded is None else _window(recorded),
        rules=[] if recorded is None else rules(recorded.header.decision, caller),
        channels=[] if recorded is None else _texts(recorded.header.decision.get("channels")),
        entries=entries,
        verified=await _verified(caller, known.row.id),
        may_verify=not AUDITORS.isdisjoint(caller.roles),
        reading=reading,
        purged_at=(await caller.context.keeper.shelf.purged_at([known.row.id])).get(known.row.id),
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
    if recorded is not None and (recorded.closing is not None or live is None):
        return Known(row=of_catalog(recorded), live=live, recorded=recorded)
    if live is None:
        raise NotFound("session", session_id)
    header = None if recorded is None else recorded.header
    return Known(row=of_policy(live, header, names), live=live, recorded=recorded)


def rules(decision: Any, caller: StaffCaller) -> list[Rule]:
    """Return the rules of a decision, each in the caller's words; only their codes where no more was kept."""
    findings = decision.get("findings")
    if not isinstance(findings, list):
        return [
            Rule(label=i18n.rule_label(code), held=True, sentence=None)
            for code in _texts(decision.get("held"))
        ]
    return [_rule(one, caller) for one in findings if isinstance(one, dict)]


def _rule(told: dict[str, Any], caller: StaffCaller) -> Rule:
    arguments = told.get("arguments")
    finding = Finding(
        code=str(told.get("code")),
        held=bool(told.get("held")),
        key=str(told.get("key")),
        arguments={str(name): _argument(str(name), value) for name, value in arguments.items()}
        if isinstance(arguments, dict)
        else {},
    )
    try:
        sentence = i18n.sentence(finding, caller.language, caller.here.timezone)
    except (MissingMessage, KeyError, TypeError, ValueError):  # of another version
        sentence = None
    return Rule(label=i18n.rule_label(finding.code), held=finding.held, sentence=sentence)


def _argument(name: str, value: object) -> object:
    """Read an instant, a factor or a level back as what it was; everything else stands as it was kept."""
    kind = _KINDS.get(name)
    try:
        if isinstance(value, list):
            return frozenset(kind(str(one)) for one in value) if kind else tuple(str(one) for one in value)
        if name == "limit" and isinstance(
            value, float
        ):  # a length of time; a number of sessions is a whole one
            return timedelta(seconds=value)
        if isinstance(value, str) and kind is not None:
            return kind(value)
        if isinstance(value, str) and _INSTANT.match(value):
            return datetime.fromisoformat(value)
    except ValueError:
        return value
    return value


def _window(recorded: CatalogedSession) -> tuple[datetime, datetime] | None:
    window = recorded.header.window
    try:
        return instants.parse(window["start"]), instants.parse(window["end"])
    except TraceFormatError:
        return None


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


async def _verified(caller: StaffCaller, session_id: str) -> Verified | None:
    if AUDITORS.isdisjoint(caller.roles):
        return None
    filters = JournalFilters(
        hospital_id=caller.hospital_id, session_id=session_id, name="trace.verified", newest_first=True
    )
    found = (await caller.context.journal.entries(filters, limit=1)).entries
    if not found:
        return None
    event = found[0].event
    why = event.details.get("why")
    return Verified(
        at=event.at,
        intact=event.details.get("intact") is True,
        why=None if why is None else said(str(why), caller.language),
    )


async def _entries(caller: StaffCaller, names: Registry, session_id: str) -> list[Told]:
    filters = JournalFilters(hospital_id=caller.hospital_id, session_id=session_id)
    found = await caller.context.journal.entries(filters, limit=_ENTRIES)
    return [tell(entry, caller, names) for entry in found.entries]
