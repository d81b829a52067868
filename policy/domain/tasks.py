"""Device tasks: what the hospital asks a gateway to do with SSH on its behalf."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.devices import Algorithms, DedicatedAccount
from policy.domain.ids import AccountId, DeviceId, HospitalId, PersonId, TaskId


class TaskKind(StrEnum):
    """What may be asked of a gateway."""

    FETCH_HOST_KEYS = "fetch-host-keys"
    TRY_ACCOUNT = "try-account"


class TaskState(StrEnum):
    """Asked, then claimed by one gateway, then done or failed."""

    ASKED = "asked"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What a gateway found.

    ``ok`` tells whether the task succeeded; ``host_keys`` are the OpenSSH public key lines the device showed:
    a proposal to compare, never trusted by itself; ``detail`` is one bounded line for people, without any secret.
    """

    ok: bool
    host_keys: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTask:
    """A task as its requester sees it. ``result`` is None until a gateway has finished it."""

    id: TaskId
    hospital_id: HospitalId
    kind: TaskKind
    device_id: DeviceId
    account_id: AccountId | None
    state: TaskState
    requested_by: PersonId
    requested_at: datetime
    node: str | None = None
    claimed_at: datetime | None = None
    finished_at: datetime | None = None
    result: TaskResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGrant:
    """Proof that policy allowed one device task; only ``policy.services.device_tasks`` makes one.

    Carries all that the gateway may dial: it resolves nothing a second time. ``account`` is None for a task
    that logs in nowhere. ``host_keys`` are the pinned ones; a task that fetches keys connects whatever they are.
    """

    task_id: TaskId
    hospital_id: HospitalId
    kind: TaskKind
    device_id: DeviceId
    device_name: str
    address: str
    port: int
    source_address: str | None
    algorithms: Algorithms
    host_keys: tuple[str, ...]
    account: DedicatedAccount | None
    node: str
    issued_at: datetime

    def described(self) -> Mapping[str, object]:
        """Return what a log line may say of the task."""
        return {"task": self.task_id, "kind": self.kind.value, "device": self.device_name}
