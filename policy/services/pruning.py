"""Housekeeping: removes what serves nothing any more, and says in the journal what it removed."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from policy.authn import totp
from policy.authn.lockout import LockoutSettings
from policy.clock import Clock
from policy.domain.ids import HospitalId
from policy.domain.retention import LONGEST_UNREAD, Cutoffs, Retention
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.repositories.aged import Aged

BATCH: Final = 500
"""Rows of one table removed at once: on SQLite everybody else's writing waits for it."""
_STEPPED_BACK: Final = timedelta(days=1)
"""How far a clock may be set back without a row being missed that the earlier time still needs."""
_LOOKED_UP: Final = timedelta(days=90)
"""How long sessions can be found by their first digits."""


class PruningService:
    """Removes old rows, bounded in each step. Whatever *retention* says, nothing goes that is still looked at.

    That is: an attempt within the lock-out's memory, a code whose step may be accepted, a session that is open, a
    change that the journal has not or that a gateway may not have read, an invitation that four eyes look at.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: PolicySettings,
        retention: Retention,
        hospital_id: HospitalId,
    ) -> None:
        """Prune what is the hospital's in *database* by *retention*, never below what *settings* need."""
        self._database = database
        self._hospital_id = hospital_id
        self._clock = clock
        memory = LockoutSettings.of(settings).memory
        self._attempts = max(retention.attempts, memory + _STEPPED_BACK)
        self._codes = max(retention.codes, _STEPPED_BACK)
        self._sessions = max(retention.sessions, _LOOKED_UP)
        self._tasks = max(retention.tasks, _STEPPED_BACK)
        self._outbox = max(retention.outbox, LONGEST_UNREAD)
        self._bearers = max(retention.bearers, _STEPPED_BACK)
        self._invitations = max(self._bearers, settings.four_eyes_period + _STEPPED_BACK)

    async def count(self, journalled: int) -> Mapping[str, int]:
        """Return by table how many rows ``prune`` would remove; nothing is changed."""
        async with self._database.read() as view:
            return await Aged(view.connection).count(self._hospital_id, self._cutoffs(journalled))

    async def prune(self, journalled: int) -> Mapping[str, int]:
        """Remove the old rows, and return how many of each table went.

        *journalled* is the position up to which the journal holds the outbox. Each transaction removes a bounded
        number and commits one ``store.pruned`` event with it: one in all where the old rows are few. Raises
        PolicyUnavailable; what was removed before stays removed.
        """
        old = self._cutoffs(journalled)
        gone: Counter[str] = Counter()
        while True:
            removed = await self._some(old)
            gone.update(removed)
            if max(removed.values(), default=0) < BATCH:
                return dict(gone)

    async def _some(self, old: Cutoffs) -> Mapping[str, int]:
        async with self._database.unit_of_work(None, self._clock) as work:
            removed = await Aged(work.connection).remove(self._hospital_id, old, BATCH)
            if removed:
                await work.emit("store.pruned", self._hospital_id, self._hospital_id, {}, removed)
        return removed

    def _cutoffs(self, journalled: int) -> Cutoffs:
        now = self._clock.now()
        return Cutoffs(
            attempts=now - self._attempts,
            code_step=totp.current_step(now - self._codes),
            sessions=now - self._sessions,
            tasks=now - self._tasks,
            outbox=now - self._outbox,
            journalled=journalled,
            bearers=now - self._bearers,
            invitations=now - self._invitations,
        )
