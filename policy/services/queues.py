"""How much waits in the queues that are kept in policy's database, for who watches the installation."""

from dataclasses import dataclass

from policy.domain.ids import HospitalId
from policy.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits at one instant.

    ``position`` is that of the newest change; ``mails`` and ``calls`` wait to leave, ``tasks`` to be taken by a gateway.
    """

    position: int
    mails: int
    calls: int
    tasks: int


class QueueService:
    """Counts, and gives nothing of what is counted."""

    def __init__(self, database: Database) -> None:
        """Count in *database*."""
        self._database = database

    async def waiting(self, hospital_id: HospitalId) -> Waiting:
        """Return how much waits for the hospital. Raises PolicyUnavailable."""
        async with self._database.read() as view:
            return Waiting(
                position=await view.outbox.head(),
                mails=await view.mails.waiting(hospital_id),
                calls=await view.calls.waiting(hospital_id),
                tasks=await view.tasks.waiting(hospital_id),
            )
