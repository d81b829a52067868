"""Looks whether each machine still audits itself, and says so in the journal, once, where one does not."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin_api.deps import Context
from admin_api.selfaudit import history
from policy.domain.ids import HospitalId
from policy.errors import PolicyError
from recorder.audit.journal import JournalFilters
from recorder.errors import RecorderError

log = structlog.get_logger()

LATE: Final = "alarm.self_audit_late"
ACTOR: Final = "console"
LOOK_EVERY: Final = timedelta(minutes=30)
_LOOKED_AT: Final = 500


class AuditLateness:
    """One chore of the console. A machine is known by its first audit; by its key, registered here; by its gateway, which runs.

    This console's own is looked for whatever is known of it.
    """

    def __init__(self, context: Context, hospital_id: str, node: str, late: timedelta) -> None:
        """Say that a machine is late once its last audit is older than *late*; *node* is the console's own machine."""
        self._context = context
        self._hospital_id = hospital_id
        self._node = node
        self._late = late

    async def run(self) -> None:
        """Look until cancelled; what keeps a look from being done is logged, and tried at the next."""
        while True:
            try:
                await self.look()
            except (PolicyError, RecorderError, SQLAlchemyError) as error:
                log.warning("self_audit.not_looked_for", error=str(error))
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def look(self) -> list[str]:
        """Say of each machine that it is late if it has just become so, and return which. Raises PolicyError, RecorderError, SQLAlchemyError."""
        now, last = self._context.clock.now(), await self._last()
        told = await self._told(now)
        late = [
            node
            for node, at in last.items()
            if now - at > self._late and not (node in told and told[node] > at)
        ]
        for node in late:
            facts: dict[str, object] = {
                "node": node,
                "since": last[node].isoformat(timespec="minutes"),
                "days": (now - last[node]).days,
            }
            await self._context.proofs.note(LATE, ACTOR, facts)
        return late

    async def _last(self) -> Mapping[str, datetime]:
        """Return when each machine last audited itself; of one that never did, since when it could have."""
        journal, keys = self._context.journal, self._context.auditors
        audits = await history.kept(journal, self._hospital_id, keys, most=_LOOKED_AT)
        running = await self._context.services.access.gateways(HospitalId(self._hospital_id))
        expected = keys.expected(history.machines(audits), running)
        audited = await history.audited(journal, self._hospital_id, keys, audits, {*expected, self._node})
        found = {**expected, **audited}
        if self._node in audited:
            return found
        page = await journal.entries(JournalFilters(hospital_id=self._hospital_id), limit=1)
        return {**found, self._node: page.entries[0].event.at} if page.entries else found

    async def _told(self, now: datetime) -> Mapping[str, datetime]:
        """Return when each machine was last said to be late; a day to come is nobody's but a forger's, who wants silence."""
        filters = JournalFilters(hospital_id=self._hospital_id, name=LATE, newest_first=True)
        page = await self._context.journal.entries(filters, limit=_LOOKED_AT)
        found: dict[str, datetime] = {}
        for entry in page.entries:
            node, at = str(entry.event.details.get("node")), entry.event.at
            if at <= now:
                found[node] = max(at, found.get(node, at))
        return found
