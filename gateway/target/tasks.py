"""Device tasks: what the hospital asks a gateway to do with SSH on its behalf, done one at a time."""

import asyncio

import structlog

from gateway.errors import DeviceError, DeviceMisdescribed, FlowRefused, HostKeyChanged, NoCommonAlgorithm
from gateway.journal import ACTOR
from gateway.target.dial import Dialler, patience
from gateway.target.hostkeys import fetch
from policy.clock import Clock
from policy.domain.ids import HospitalId
from policy.domain.people import Language
from policy.domain.tasks import TaskGrant, TaskKind, TaskResult
from policy.errors import InvalidInput, PolicyError
from policy.i18n import Catalog
from policy.services.device_tasks import DeviceTaskService
from recorder.audit.backlog import Appending
from recorder.audit.events import SecurityEvent
from recorder.errors import RecorderError

_log = structlog.get_logger()


class TaskRunner:
    """Claims tasks and does them, until it is stopped. A device is dialled after the journal has it."""

    def __init__(
        self,
        tasks: DeviceTaskService,
        dialler: Dialler,
        journal: Appending,
        catalog: Catalog,
        clock: Clock,
        *,
        hospital_id: HospitalId,
        node: str,
        poll_seconds: float = 1.0,
        timeout_seconds: float = 20.0,
    ) -> None:
        """Work as *node* of that hospital, for it alone: look for tasks every *poll_seconds*, give each *timeout_seconds* in all."""
        self._tasks = tasks
        self._dialler = dialler
        self._journal = journal
        self._catalog = catalog
        self._clock = clock
        self._hospital_id = hospital_id
        self._node = node
        self._poll = poll_seconds
        self._timeout = timeout_seconds
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for tasks."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; a task under way is given up, and is claimed again once its claim has lapsed."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None

    async def run_one(self) -> bool:
        """Do one task, if one waits; tell whether there was one. Raises PolicyError."""
        grant = await self._tasks.claim(self._hospital_id, self._node)
        if grant is None:
            return False
        result = await self._result(grant)
        try:
            await self._tasks.finish(grant, result)
        except InvalidInput as refused:  # what the device showed cannot be kept
            result = TaskResult(ok=False, detail=str(refused))
            await self._tasks.finish(grant, result)
        _log.info("task.finished", ok=result.ok, **grant.described())
        return True

    async def _run(self) -> None:
        while True:
            try:
                worked = await self.run_one()
            except PolicyError as error:
                _log.warning("task.policy_error", error=str(error), next="asked again until it answers")
                worked = False
            except Exception as error:  # one task that breaks must not end all the later ones
                _log.error("task.failed", error=repr(error))
                worked = False
            if not worked:
                await asyncio.sleep(self._poll)

    async def _result(self, grant: TaskGrant) -> TaskResult:
        """Do the task; whatever breaks, who asked is told that it failed, instead of waiting for ever."""
        try:
            return await self._done(grant)
        except PolicyError:
            raise  # asked again: its claim lapses
        except Exception as error:
            _log.error("task.failed", error=repr(error), **grant.described())
            return TaskResult(ok=False, detail=self._say("task.failed", error=type(error).__name__))

    async def _done(self, grant: TaskGrant) -> TaskResult:
        try:
            await self._journal.append(self._event(grant))
        except RecorderError as error:
            _log.error("journal.failed", event_name="device.task_begun", error=str(error))
            return TaskResult(ok=False, detail=self._say("refusal.recorder"))
        try:
            async with asyncio.timeout(patience(grant.algorithms, self._timeout)):
                if grant.kind is TaskKind.FETCH_HOST_KEYS:
                    return await self._host_keys(grant)
                return await self._account(grant)
        except DeviceError as error:
            _log.warning("task.device_error", error=error.detail, **grant.described())
            return TaskResult(ok=False, detail=self._told(error, grant))
        except TimeoutError:
            return TaskResult(ok=False, detail=self._say("device.unreachable", device=grant.device_name))

    async def _host_keys(self, grant: TaskGrant) -> TaskResult:
        timeout = patience(grant.algorithms, self._timeout)
        flow = await self._dialler.way(grant, lambda: timeout)
        try:
            lines = await fetch(
                grant.address, grant.port, grant.source_address, grant.algorithms, timeout=timeout
            )
        finally:
            flow.close()
        return TaskResult(
            ok=True, host_keys=tuple(lines), detail=self._say("task.host-keys", count=str(len(lines)))
        )

    async def _account(self, grant: TaskGrant) -> TaskResult:
        connection = await self._dialler.dial(grant, lambda _lost: None)
        connection.close()
        await connection.wait_closed()
        return TaskResult(ok=True, detail=self._say("task.account-ok"))

    def _told(self, error: DeviceError, grant: TaskGrant) -> str:
        """Return what went wrong for the hospital's staff, who may know more than the person who connects."""
        if isinstance(error, HostKeyChanged) and error.pinned:
            return self._say(
                "task.host-key", device=grant.device_name, shown=error.shown, pinned=error.pinned
            )
        telling = isinstance(error, NoCommonAlgorithm | DeviceMisdescribed | FlowRefused)
        return self._say(error.key, f" ({error.detail})" if telling else "", device=grant.device_name)

    def _say(self, key: str, ending: str = "", **arguments: str) -> str:
        """Return the sentence in both languages, *ending* behind each: a result is read by whoever looks, not by one person."""
        return " / ".join(
            self._catalog.translate(key, language, **arguments) + ending for language in Language
        )

    def _event(self, grant: TaskGrant) -> SecurityEvent:
        return SecurityEvent(
            name="device.task_begun",
            hospital_id=grant.hospital_id,
            at=self._clock.now(),
            actor=ACTOR,
            device_id=grant.device_id,
            details={
                **grant.described(),
                "account": grant.account.name if grant.account is not None else None,
                "node": self._node,
            },
        )
