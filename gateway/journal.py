"""What the gateway writes into the security journal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from policy.clock import Clock
from policy.domain.access import AccessRequest, Denial, Grant
from policy.domain.ids import HospitalId, PersonId
from policy.domain.logins import LoginOutcome, LoginResult
from policy.domain.sessions import correction_event, end_event
from recorder.audit.backlog import Backlog
from recorder.audit.events import SecurityEvent, new_event_id
from recorder.audit.journal import JournalFilters, JournalPage
from recorder.errors import JournalHasIt, RecorderError

ACTOR = "gateway"
LOGINS_READ = 200
"""How many of a person's log-ins are looked at for when a factor last served."""

_RESULTS = {
    LoginResult.SUCCESS: "authentication.succeeded",
    LoginResult.FAILURE: "authentication.failed",
    LoginResult.LOCKED: "authentication.locked",
    LoginResult.BUSY: "authentication.busy",
}
_log = structlog.get_logger()


class Journal(Protocol):
    """The recorder's journal."""

    async def append(self, event: SecurityEvent) -> None:
        """Keep *event*; when this returns it is durable. Raises JournalBroken."""
        ...

    async def entries(
        self, filters: JournalFilters, *, after: str | None = None, limit: int = 100
    ) -> JournalPage:
        """Return a page of entries."""
        ...


class GatewayJournal:
    """Turns what happens at the gateway into security events. Details hold no secret."""

    def __init__(self, journal: Journal, hospital_id: HospitalId, clock: Clock) -> None:
        """Write to *journal* for *hospital_id*."""
        self._journal = journal
        self._hospital_id = hospital_id
        self._clock = clock
        self._late = Backlog(journal)

    async def login(self, outcome: LoginOutcome) -> None:
        """Write how a log-in ended, with its true cause; raises JournalBroken."""
        await self._journal.append(
            SecurityEvent(
                name=_RESULTS[outcome.result],
                hospital_id=outcome.hospital_id,
                at=outcome.at,
                actor=ACTOR,
                person_id=outcome.person_id,
                source=outcome.source,
                details={
                    "login": outcome.login,
                    "reason": outcome.reason.value,
                    "factors": sorted(factor.value for factor in outcome.factors),
                    "level": outcome.level.value if outcome.level is not None else None,
                    "key": outcome.key_fingerprint,
                    **({"detail": outcome.detail} if outcome.detail is not None else {}),
                },
            )
        )

    async def last_uses(self, person_id: PersonId) -> Mapping[str, datetime]:
        """Return when each factor, and each key by its fingerprint, last let the person in, as far as is known.

        Of her last log-ins only: what served before them is left out. A journal that cannot be read tells nothing.
        """
        filters = JournalFilters(
            hospital_id=self._hospital_id,
            name=_RESULTS[LoginResult.SUCCESS],
            person_id=person_id,
            newest_first=True,
        )
        try:
            page = await self._journal.entries(filters, limit=LOGINS_READ)
        except (RecorderError, SQLAlchemyError) as error:
            _log.error("journal.unread", error=str(error))
            return {}
        found: dict[str, datetime] = {}
        for entry in page.entries:
            factors = entry.event.details.get("factors")
            used = [str(factor) for factor in factors] if isinstance(factors, list) else []
            for name in (*used, str(entry.event.details.get("key") or "")):
                if name:
                    found.setdefault(name, entry.event.at)
        return found

    async def session(self, name: str, grant: Grant, facts: Mapping[str, object] | None = None) -> None:
        """Write the event *name* about the session of *grant*; raises JournalBroken."""
        await self._journal.append(self._about(name, grant, facts))

    def _about(
        self, name: str, grant: Grant, facts: Mapping[str, object] | None, event_id: str | None = None
    ) -> SecurityEvent:
        return SecurityEvent(
            name=name,
            hospital_id=grant.hospital_id,
            at=self._clock.now(),
            actor=ACTOR,
            person_id=grant.person_id,
            device_id=grant.device_id,
            session_id=grant.session_id,
            source=grant.source,
            details={"device": grant.device_name, "account": grant.account_name, **(facts or {})},
            event_id=event_id or new_event_id(),
        )

    async def refused(self, request: AccessRequest, denial: Denial, *, jumped: bool) -> None:
        """Write that access was refused, with every rule that failed, and whether by a jump; raises JournalBroken."""
        told = (finding.arguments.get("supplier") for finding in denial.findings)
        supplier = next((name for name in told if name is not None), None)
        await self._journal.append(
            SecurityEvent(
                name="access.denied",
                hospital_id=request.hospital_id,
                at=self._clock.now(),
                actor=ACTOR,
                person_id=request.person_id,
                source=request.source,
                details={
                    "device": request.device_name,
                    "account": request.account_name,
                    "failed": [f"{finding.code}:{finding.key}" for finding in denial.failed],
                    "disclosed": denial.disclose,
                    **({} if supplier is None else {"supplier": supplier}),
                    **({"jumped": True} if jumped else {}),
                },
            )
        )

    async def person(
        self, name: str, person_id: PersonId | None, source: str, facts: Mapping[str, object]
    ) -> None:
        """Write the event *name* about a person who is in no session; raises JournalBroken."""
        await self._journal.append(
            SecurityEvent(
                name=name,
                hospital_id=self._hospital_id,
                at=self._clock.now(),
                actor=ACTOR,
                person_id=person_id,
                source=source,
                details=dict(facts),
            )
        )

    def alarm(self, name: str, facts: Mapping[str, object]) -> None:
        """Raise the alarm *name* now: into the log at once, into the journal as soon as it takes it."""
        _log.critical(f"alarm.{name}", **facts)
        event = SecurityEvent(
            name=f"alarm.{name}",
            hospital_id=self._hospital_id,
            at=self._clock.now(),
            actor=ACTOR,
            session_id=_text(facts.get("session")),
            details=dict(facts),
        )
        self._late.put(event)

    async def quietly(self, name: str, grant: Grant, facts: Mapping[str, object]) -> None:
        """Write about a session that is over; while the journal is away, it is written as soon as it is back."""
        event = self._about(name, grant, facts)
        try:
            await self._journal.append(event)
        except RecorderError as error:
            self._later(event, error)

    async def closed(self, grant: Grant, facts: Mapping[str, object]) -> bool:
        """Write that the session of *grant* is over, as ``quietly`` does, and return whether the journal knows it by now.

        It is written once, whoever tells it; where somebody else has, this gateway's own word follows as a correction. What
        is not written yet would be lost if this process were killed.
        """
        for name, identifier in (("session.closed", end_event), ("session.end_corrected", correction_event)):
            event = self._about(name, grant, facts, identifier(grant.session_id))
            try:
                await self._journal.append(event)
            except JournalHasIt:
                continue
            except RecorderError as error:
                self._later(event, error)
                return False
            return True
        return False  # both are told: policy brings this word, and what reads it there compares it with what is told

    def _later(self, event: SecurityEvent, error: RecorderError) -> None:
        _log.error("journal.failed", event_name=event.name, error=str(error))
        self._late.put(event)

    async def close(self) -> None:
        """Write what waits, once more where the journal is away."""
        await self._late.close()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
