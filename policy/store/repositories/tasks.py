"""Device tasks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from policy.domain.ids import HospitalId, TaskId
from policy.domain.tasks import DeviceTask, TaskKind, TaskResult, TaskState
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.tasks.c


class Tasks(Repository):
    """Table ``tasks``."""

    async def insert(self, task: DeviceTask) -> None:
        """Add a task."""
        row = mapping.columns(task, "node", "claimed_at", "finished_at", "result")
        await self._connection.execute(insert(t.tasks).values(row))

    async def get(self, hospital_id: HospitalId, task_id: TaskId) -> DeviceTask:
        """Return the task; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == task_id)
        return _task(await self._only(select(t.tasks).where(where), "task", task_id))

    async def list(self, hospital_id: HospitalId, limit: int = 200) -> Sequence[DeviceTask]:
        """Return the hospital's last *limit* tasks, newest first."""
        query = select(t.tasks).where(_c.hospital_id == hospital_id)
        rows = await self._connection.execute(query.order_by(_c.requested_at.desc(), _c.id).limit(limit))
        return [_task(row) for row in rows]

    async def waiting(self, hospital_id: HospitalId) -> int:
        """Return how many tasks no gateway has taken."""
        where = (_c.hospital_id == hospital_id) & (_c.state == TaskState.ASKED.value)
        query = select(func.count()).select_from(t.tasks).where(where)
        return int((await self._connection.execute(query)).scalar_one())

    async def take(
        self, hospital_id: HospitalId, node: str, at: datetime, asked_since: datetime
    ) -> DeviceTask | None:
        """Claim for *node* the hospital's oldest task asked at *asked_since* or later; None where none waits.

        Two nodes never get the same one: a row that another holds is passed over.
        """
        waiting = (
            select(t.tasks)
            .where(
                (_c.hospital_id == hospital_id)
                & (_c.state == TaskState.ASKED.value)
                & (_c.requested_at >= asked_since)
            )
            .order_by(_c.requested_at, _c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._connection.execute(waiting)).first()
        if row is None:
            return None
        still = (_c.hospital_id == row.hospital_id) & (_c.id == row.id) & (_c.state == TaskState.ASKED.value)
        claimed = {"state": TaskState.CLAIMED.value, "node": node, "claimed_at": at}
        await self._connection.execute(update(t.tasks).where(still).values(claimed))
        return await self.get(row.hospital_id, row.id)

    async def finish(self, task: DeviceTask, at: datetime, result: TaskResult) -> None:
        """Write the result of a task; raises NotFound where it is not claimed, or by another node."""
        where = (
            (_c.hospital_id == task.hospital_id)
            & (_c.id == task.id)
            & (_c.node == task.node)
            & (_c.state == TaskState.CLAIMED.value)
        )
        done = await self._connection.execute(
            update(t.tasks)
            .where(where)
            .values(
                state=(TaskState.DONE if result.ok else TaskState.FAILED).value,
                finished_at=at,
                result=mapping.columns(result),
            )
        )
        if done.rowcount != 1:
            raise NotFound("claimed task", task.id)


def _task(row: Row[Any]) -> DeviceTask:
    return mapping.read(
        DeviceTask,
        row,
        kind=TaskKind(row.kind),
        state=TaskState(row.state),
        result=None
        if row.result is None
        else TaskResult(
            ok=row.result["ok"],
            host_keys=tuple(row.result["host_keys"]),
            detail=row.result["detail"],
        ),
    )
