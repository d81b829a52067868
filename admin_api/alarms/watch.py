"""Reads the journal on and raises alarms: what was read, and what came of it, are committed together."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import ALTERED, FORGED, OTHER, UNREADABLE, Thresholds, sightings
from policy.clock import Clock
from policy.domain.alarms import Bookmark, Severity, Sighting
from policy.domain.ids import HospitalId
from policy.errors import Conflict, PolicyUnavailable
from policy.services import Services
from policy.services.alarms import READER
from recorder.audit.feed import Fed, JournalFeed, Position

log = structlog.get_logger()

LEAD: Final = timedelta(days=1)
"""An installation that had no alarms before is told of what happened in the last day, and not of years."""
_NEXT: Final = "looked at again until it works; no entry is passed over"
_FAILURES: Final = 5
"""Looks in a row that fail before the journal counts as unreadable."""


class AlarmWatch:
    """One task of the console. Several consoles may run: each entry is counted once."""

    def __init__(
        self,
        services: Services,
        feed: JournalFeed,
        hospital_id: HospitalId,
        thresholds: Thresholds,
        clock: Clock,
        *,
        belief: Belief,
        interval: float = 1.0,
    ) -> None:
        """Look at *feed* every *interval* seconds, and raise by *thresholds*; by what *belief* does not bear out, none ends."""
        self._services = services
        self._feed = feed
        self._hospital_id = hospital_id
        self._thresholds = thresholds
        self._clock = clock
        self._belief = belief
        self._interval = interval
        self._since: datetime | None = None
        self._failed = 0

    async def run(self) -> None:
        """Watch until cancelled. What fails is logged, and tried again from where it was."""
        while True:
            try:
                while await self.step():
                    pass
            except (PolicyUnavailable, Conflict) as error:
                log.warning("alarms.not_counted", error=str(error), next=_NEXT)
            except SQLAlchemyError as error:
                log.warning("alarms.journal_unreadable", error=type(error).__name__, next=_NEXT)
                await self._unreadable(error)
            await asyncio.sleep(self._interval)

    async def step(self) -> int:
        """Take what one look at the journal shows, and return how many entries that was.

        Raises SQLAlchemyError where the journal cannot be read, PolicyUnavailable, and Conflict where another console
        was faster; the bookmarks then stay.
        """
        if self._since is None:
            self._since = await self._services.bookmarks.begin(self._hospital_id, READER, LEAD)
        known = await self._services.bookmarks.get(self._hospital_id, READER)
        look = await self._feed.look({writer: Position(at.seq, at.digest) for writer, at in known.items()})
        found = [one for fed in look.fed for one in self._seen(fed)]
        if self._failed >= _FAILURES:
            found.append(self._of_the_journal(over=True))
        self._failed = 0
        if not look.positions and not found:
            return 0
        moved = {writer: Bookmark(at.seq, at.digest) for writer, at in look.positions.items()}
        for alarm in await self._services.alarms.take(self._hospital_id, found, known, moved):
            log.warning("alarm.raised", kind=alarm.kind, severity=alarm.severity.value, alarm=alarm.id)
        return len(look.fed)

    def _seen(self, fed: Fed) -> Iterator[Sighting]:
        if fed.fault is not None:
            at = self._clock.now() if fed.entry is None else fed.entry.event.at
            facts = {"writer": fed.writer, "entry": f"{fed.writer} #{fed.seq}", "what": fed.fault}
            yield Sighting(kind=ALTERED, key=fed.writer, severity=Severity.CRITICAL, at=at, facts=facts)
        if fed.entry is None or self._since is None or fed.entry.event.at < self._since:
            return
        event = fed.entry.event
        try:
            found = list(sightings(event, self._thresholds))
            if self._belief(event):
                yield from found
            else:
                yield from (one for one in found if not one.over)
                facts = {"event": event.name, "writer": fed.writer, "entry": f"{fed.writer} #{fed.seq}"}
                yield Sighting(
                    kind=FORGED, key=event.name, severity=Severity.CRITICAL, at=event.at, facts=facts
                )
        except Exception:  # what strangers write into an entry must not keep those after it from being read
            log.exception("alarms.entry_not_understood", writer=fed.writer, seq=fed.seq)
            facts = {"event": event.name, "writer": fed.writer}
            yield Sighting(kind=OTHER, key=event.name, severity=Severity.HIGH, at=event.at, facts=facts)

    async def _unreadable(self, error: SQLAlchemyError) -> None:
        """Raise the one alarm that no journal can tell of, once it has lasted."""
        self._failed += 1
        if self._failed != _FAILURES:
            return
        try:
            sighting = self._of_the_journal(detail=type(error).__name__)
            await self._services.alarms.take(self._hospital_id, [sighting], {}, {})
        except PolicyUnavailable as unavailable:
            log.warning("alarms.not_counted", error=str(unavailable))
            self._failed = 0

    def _of_the_journal(self, *, over: bool = False, **facts: object) -> Sighting:
        return Sighting(
            kind=UNREADABLE,
            key="",
            severity=Severity.CRITICAL,
            at=self._clock.now(),
            facts=facts,
            over=over,
        )
