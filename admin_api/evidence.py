"""Evidence: everything that is done on the hospital's side ends in the security journal.

What changes policy is in its outbox, and is ingested from there, once, by id. What changes nothing (a log-in, a trace
that was read) is written before it is answered: if the journal cannot take it, it does not happen.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin_api.errors import TraceUnreadable
from policy.clock import Clock
from policy.domain.events import PolicyEvent
from policy.domain.ids import SessionId
from policy.domain.logins import LoginOutcome, LoginResult
from policy.domain.sessions import INTERRUPTED, correction_event, end_event
from policy.errors import PolicyUnavailable
from policy.services import Services
from policy.services.login import LoginService
from policy.services.tokens import Principal
from recorder.audit.events import SecurityEvent, new_event_id
from recorder.audit.journal import Journal
from recorder.errors import (
    JournalBroken,
    JournalHasIt,
    ReaderKeyLocked,
    RecorderError,
    StoreUnavailable,
    TraceFormatError,
    TraceSealed,
)
from recorder.trace import instants
from recorder.trace.frames import canonical
from recorder.trace.header import TraceHeader

if TYPE_CHECKING:  # the gateway brings its own evidence in, and loads no web framework for it
    from admin_api.deps import Context

log = structlog.get_logger()

_LOGIN_EVENTS = {
    LoginResult.SUCCESS: "authentication.succeeded",
    LoginResult.FAILURE: "authentication.failed",
    LoginResult.LOCKED: "authentication.locked",
    LoginResult.BUSY: "authentication.busy",
}
_ENDS = {"session.closed": end_event, "session.end_corrected": correction_event}
"""What gateways tell themselves otherwise: it reads alike, whoever told it, and is one entry by this identifier."""
_PLACES = {"session": "session_id", "device": "device_id", "person": "person_id"}
_LONGEST_PLACE = 64
"""Characters that a column of the journal takes."""


class OutboxIngest:
    """Copies the outbox into the journal. Any number may run: each change is kept once.

    A new one starts from the first change ever made: what is in the journal already is passed over by its id, so
    that no cursor is kept that could be wrong.
    """

    def __init__(self, services: Services, journal: Journal, clock: Clock, *, interval: float = 0.5) -> None:
        """Prepare to look at the outbox every *interval* seconds."""
        self._services = services
        self._journal = journal
        self._clock = clock
        self._interval = interval
        self._cursor = 0
        self._failing_since: str | None = None
        self.caught_up = asyncio.Event()
        """Set once everything that was in the outbox has been in the journal."""

    @property
    def position(self) -> int:
        """The position up to which the journal is known to hold the outbox."""
        return self._cursor

    @property
    def failing(self) -> bool:
        """Whether the last look at the outbox failed."""
        return self._failing_since is not None

    async def run(self) -> None:
        """Ingest until cancelled. A failure is logged, and tried again from where it was."""
        while True:
            try:
                await self.catch_up()
                if self._failing_since is not None:
                    log.info("ingest.resumed", since=self._failing_since)
                self._failing_since = None
            except (PolicyUnavailable, JournalBroken, SQLAlchemyError) as error:
                if self._failing_since is None:
                    self._failing_since = self._clock.now().isoformat()
                # an alarm, not a fault of ours: the sentence is enough, and a trace each half second too much
                log.warning(
                    "alarm.ingest_failed",
                    error=str(error),
                    since=self._failing_since,
                    next="tried again until it works; the journal then has all of it",
                )
            await asyncio.sleep(self._interval)

    async def catch_up(self) -> None:
        """Ingest until nothing is left; raises as ``step``."""
        while await self.step():
            pass
        self.caught_up.set()

    async def step(self) -> int:
        """Ingest what one look at the outbox shows, and return how many changes that was.

        Raises PolicyUnavailable where the outbox cannot be read, JournalBroken where the journal takes nothing;
        the cursor then stays.
        """
        cursor, changes = await self._services.access.changes_since(self._cursor)
        # handed over together, so that the journal keeps them in one transaction and in their order
        await asyncio.gather(*(self._keep(change) for change in changes))
        self._cursor = cursor
        return len(changes)

    async def _keep(self, change: PolicyEvent) -> None:
        event = _readable(change)
        if event.name in _ENDS:
            await self._keep_end(change.id, event)
        else:
            await self._journal.ingest(change.id, event)

    async def _keep_end(self, change_id: str, event: SecurityEvent) -> None:
        """Tell of a session's end; where the journal has another word, what the session's own gateway says of it."""
        corrected = replace(
            event,
            name="session.end_corrected",
            event_id=correction_event(SessionId(str(event.session_id))),
        )
        for one in (event, corrected):
            try:
                return await self._journal.ingest(change_id, one)
            except JournalHasIt:
                if event.details.get("reason") == INTERRUPTED or await self._told(event):
                    return None
        # whoever guessed both identifiers and took them beforehand hides nothing
        return await self._journal.ingest(change_id, replace(corrected, event_id=new_event_id()))

    async def _told(self, event: SecurityEvent) -> bool:
        for name in _ENDS:
            told = await self._journal.newest(event.hospital_id, name, session_id=event.session_id)
            if told is not None and told.event.details.get("reason") == event.details.get("reason"):
                return True
        return False


def _readable(change: PolicyEvent) -> SecurityEvent:
    """Return what the journal says of *change*; where that cannot be read, an alarm: nothing after it must wait for it.

    The product writes no such row; whoever has a gateway's database user can.
    """
    try:
        event = event_of(change)
        canonical(event.to_dict())
        for place in (event.person_id, event.device_id, event.session_id, event.source):
            if place is not None and (len(place) > _LONGEST_PLACE or "\0" in place):
                raise ValueError(f"{place[:_LONGEST_PLACE]!r} is no identifier")
    except (AttributeError, TypeError, ValueError, RecorderError) as error:
        return SecurityEvent(
            name="alarm.outbox_unreadable",
            hospital_id=change.hospital_id,
            at=change.at,
            actor="ecluse",
            details={
                "entry": change.id,
                "name": ascii(change.name),
                "subject": ascii(change.subject),
                "error": ascii(str(error)),
            },
            event_id=change.id,
        )
    return event


def event_of(change: PolicyEvent) -> SecurityEvent:
    """Return what the journal says of a policy *change*."""
    if change.name in _ENDS:
        return _end_of(change)
    noun = change.name.partition(".")[0]
    place = _PLACES.get(noun)
    device = change.subject if place == "device_id" else _text(change.after, "device", "device_id")
    return SecurityEvent(
        name=change.name,
        hospital_id=change.hospital_id,
        at=change.at,
        actor=change.actor if change.actor is not None else "ecluse",
        details={"subject": change.subject, "before": dict(change.before), "after": dict(change.after)},
        event_id=change.id,
        person_id=change.subject if place == "person_id" else None,
        device_id=device,
        session_id=change.subject if place == "session_id" else _text(change.after, "session_id"),
    )


def _end_of(change: PolicyEvent) -> SecurityEvent:
    after = dict(change.after)
    places = {name: _text(after, name) for name in ("person_id", "device_id", "source")}
    facts = {name: value for name, value in after.items() if name not in places}
    before = {"before": _timed(change.before)} if change.before else {}
    identifier = _ENDS[change.name]
    return SecurityEvent(
        name=change.name,
        hospital_id=change.hospital_id,
        at=change.at,
        actor="gateway",
        session_id=change.subject,
        details={**_timed(facts), **before},
        event_id=identifier(SessionId(change.subject)),
        **places,
    )


def _timed(facts: Mapping[str, object]) -> dict[str, object]:
    """Return *facts* with their instants as the journal writes them; what is none stays as it is."""
    times = {name: _text(facts, name) for name in ("ended", "last_known")}
    return {**facts, **{name: _instant(at) for name, at in times.items() if at is not None}}


def _instant(at: str) -> str:
    try:
        return instants.text(datetime.fromisoformat(at))
    except (ValueError, OverflowError, TraceFormatError):
        return at


def _text(facts: Mapping[str, object], *names: str) -> str | None:
    """Return the first of *names* that is a text in *facts*: a task and an account stand on a device too."""
    return next((value for value in map(facts.get, names) if isinstance(value, str)), None)


def journal_logins(login: LoginService, journal: Journal, node: str) -> None:
    """Have every log-in at this door written to *journal* before it is answered."""

    async def told(outcome: LoginOutcome) -> None:
        await journal.append(
            SecurityEvent(
                name=_LOGIN_EVENTS[outcome.result],
                hospital_id=outcome.hospital_id,
                at=outcome.at,
                actor=outcome.person_id,
                person_id=outcome.person_id,
                source=outcome.source,
                details={
                    "door": "api",
                    "node": node,
                    "login": outcome.login,
                    "reason": outcome.reason.value,
                    "factors": sorted(factor.value for factor in outcome.factors),
                    "level": outcome.level.value if outcome.level is not None else None,
                },
            )
        )

    login.journal_to(told)


async def note(
    context: "Context",
    who: Principal,
    name: str,
    *,
    session_id: str | None = None,
    device_id: str | None = None,
    person_id: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write to the journal that *who* did something that changes nothing; raises JournalBroken."""
    await context.journal.append(
        SecurityEvent(
            name=name,
            hospital_id=who.hospital_id,
            at=context.clock.now(),
            actor=who.person.id,
            session_id=session_id,
            device_id=device_id,
            person_id=person_id,
            details=dict(details or {}),
        )
    )


async def note_reading(
    context: "Context", who: Principal, header: TraceHeader, reason: str, form: str, **more: object
) -> None:
    """Write that *who* reads the trace of *header*, in which *form* and why; raises JournalBroken: then she must not."""
    await _note_of(context, who, "trace.read", header, {"reason": reason, "form": form, **more})


@asynccontextmanager
async def attempted(
    context: "Context", who: Principal, header: TraceHeader, reason: str, form: str
) -> AsyncIterator[None]:
    """Open the trace of *header* in this block: where that fails, the journal says that nothing was shown, and why.

    The reading itself is noted behind it, by `note_reading`, and nothing leaves before that.
    """
    try:
        yield
    except (RecorderError, TraceUnreadable) as error:
        facts = {"reason": reason, "form": form, "unread": _why_unread(error)}
        await _note_of(context, who, "trace.not_read", header, facts)
        raise


def _why_unread(error: Exception) -> str:
    match error:
        case ReaderKeyLocked():
            return "locked"
        case TraceSealed():
            return "sealed"
        case StoreUnavailable():
            return "store"
        case _:
            return "broken"


async def _note_of(
    context: "Context", who: Principal, name: str, header: TraceHeader, details: Mapping[str, object]
) -> None:
    await note(
        context,
        who,
        name,
        session_id=header.session_id,
        device_id=header.device["id"],
        person_id=header.person["id"],
        details=details,
    )
