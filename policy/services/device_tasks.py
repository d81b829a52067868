"""Device tasks: what needs SSH on the hospital's behalf is asked here, and done by a gateway."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from policy.domain.derogations import uncovered
from policy.domain.ids import AccountId, DeviceId, HospitalId, PersonId, TaskId, new_id
from policy.domain.tasks import DeviceTask, TaskGrant, TaskKind, TaskResult, TaskState
from policy.errors import Conflict, InvalidInput, NotFound
from policy.i18n import neutralise
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.unit_of_work import View

ASKED_FOR: Final = timedelta(minutes=10)
"""After it a task nobody claimed is left alone: whoever asked has gone."""
_KEYS: Final = 16
"""How many host keys a device may show."""
_LONGEST_DETAIL: Final = 499
"""Of what a gateway says of a task; one more character tells that there was more."""


class DeviceTaskService(Service):
    """Asks, hands out and answers device tasks. The only place that makes a ``TaskGrant``."""

    async def request(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        kind: TaskKind,
        device_id: DeviceId,
        *,
        account_id: AccountId | None = None,
    ) -> DeviceTask:
        """Ask for the host keys a device shows, or for one of its accounts to be tried.

        Raises InvalidInput, NotFound, and Conflict where the device is suspended or no host key is pinned yet.
        """
        task = DeviceTask(
            id=TaskId(new_id()),
            hospital_id=hospital_id,
            kind=inputs.choice(TaskKind, kind, "kind"),
            device_id=device_id,
            account_id=account_id,
            state=TaskState.ASKED,
            requested_by=actor,
            requested_at=self._clock.now(),
        )
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            await _allowed(work, task, self._clock.now())
            await work.tasks.insert(task)
            shown = {"kind": task.kind, "device": device_id, "account": account_id}
            await work.emit("task.requested", hospital_id, task.id, {}, shown)
        return task

    async def claim(self, hospital_id: HospitalId, node: str) -> TaskGrant | None:
        """Hand the hospital's oldest waiting task to its gateway *node*, to it alone; None where none waits.

        A task that may no longer be done (the device was suspended meanwhile) is failed instead, saying why.
        """
        async with self._database.unit_of_work(None, self._clock) as work:
            at = self._clock.now()
            while task := await work.tasks.take(hospital_id, node, at, at - ASKED_FOR):
                try:
                    await _allowed(work, task, at)
                except (Conflict, InvalidInput, NotFound) as refusal:
                    result = TaskResult(ok=False, detail=str(refusal))
                    await work.tasks.finish(task, at, result)
                    await work.emit("task.finished", task.hospital_id, task.id, {}, _shown(task, result))
                    continue
                return await self._grant(work, task, node)
        return None

    async def finish(self, grant: TaskGrant, result: TaskResult) -> DeviceTask:
        """Write what the gateway found. Host keys become a proposal; none is pinned by itself.

        Raises NotFound where the task is not that gateway's (any more), InvalidInput for keys that are none.
        """
        proposed = tuple(_key_line(line) for line in result.host_keys)
        if len(proposed) > _KEYS:
            raise InvalidInput("host_keys", f"a device shows at most {_KEYS} host keys")
        # the device is hostile: what it said is data, bounded and on one line
        detail = neutralise(result.detail, _LONGEST_DETAIL)
        checked = TaskResult(ok=result.ok, host_keys=proposed, detail=detail)
        async with self._database.unit_of_work(None, self._clock) as work:
            task = await work.tasks.get(grant.hospital_id, grant.task_id)
            if task.node != grant.node:
                raise NotFound("claimed task", grant.task_id)
            await work.tasks.finish(task, self._clock.now(), checked)
            await work.emit("task.finished", task.hospital_id, task.id, {}, _shown(task, checked))
            return await work.tasks.get(grant.hospital_id, grant.task_id)

    async def get(self, actor: PersonId, hospital_id: HospitalId, task_id: TaskId) -> DeviceTask:
        """Return one task; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.tasks.get(hospital_id, task_id)

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[DeviceTask]:
        """Return the last tasks asked for, newest first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.tasks.list(hospital_id)

    async def _grant(self, view: View, task: DeviceTask, node: str) -> TaskGrant:
        device = await view.devices.get(task.hospital_id, task.device_id)
        zone = await view.zones.get(task.hospital_id, device.zone_id)
        account = None
        if task.account_id is not None:
            account = await view.accounts.get(task.hospital_id, task.account_id)
        return TaskGrant(
            task_id=task.id,
            hospital_id=task.hospital_id,
            kind=task.kind,
            device_id=device.id,
            device_name=device.name,
            address=device.address,
            port=device.port,
            source_address=zone.source_address,
            algorithms=device.algorithms,
            host_keys=device.host_keys,
            account=account,
            node=node,
            issued_at=self._clock.now(),
        )


async def _allowed(view: View, task: DeviceTask, at: datetime) -> None:
    """Raise unless *task* may be done at the aware instant *at*."""
    device = await view.devices.get(task.hospital_id, task.device_id)
    if not device.active:
        raise Conflict(f"{device.name} is suspended: nothing may dial it")
    if task.kind is TaskKind.FETCH_HOST_KEYS:
        if task.account_id is not None:
            raise InvalidInput("account_id", "leave it out: fetching host keys logs in nowhere")
        return
    if task.account_id is None:
        raise InvalidInput("account_id", "say which account is to be tried")
    account = await view.accounts.get(task.hospital_id, task.account_id)
    if account is None or account.device_id != device.id:
        raise NotFound("account", task.account_id)
    if not account.active:
        raise Conflict(f"the account {account.name} is suspended")
    if not account.vaulted:
        raise Conflict(f"the vault has no secret for the account {account.name}: put one in first")
    if not device.host_keys:
        raise Conflict(
            f"no host key of {device.name} is pinned: no secret is sent to a device not recognised; run "
            f"`ecluse hostkeys fetch {device.name}`, compare at the device, then `ecluse hostkeys pin`"
        )
    derogations = await view.derogations.list(task.hospital_id, [device.id])
    if open_ones := uncovered(device.algorithms.weaknesses, derogations, at):
        raise Conflict(
            f"nobody answers for {', '.join(open_ones)} of {device.name} (X09): run "
            f"`ecluse devices derogate {device.name} --until DATE --reason WHY`"
        )


def _key_line(line: str) -> str:
    """Return a host key line without its comment. Whether it is fit to be pinned is judged when it is."""
    return " ".join(inputs.line(line, "host_keys", longest=16384).split()[:2])


def _shown(task: DeviceTask, result: TaskResult) -> dict[str, object]:
    return {
        "kind": task.kind,
        "device": task.device_id,
        "account": task.account_id,
        "ok": result.ok,
        "host_keys": result.host_keys,
        "detail": result.detail,
    }
