"""What the gateway asks of policy and of the recorder, as protocols their services fulfil."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from policy.domain.access import AccessRequest, Denial, Grant, Held
from policy.domain.events import PolicyEvent
from policy.domain.ids import HospitalId, SessionId
from policy.domain.logins import LoginOutcome
from policy.domain.sessions import Earlier
from policy.domain.tasks import TaskGrant
from policy.services.login_attempt import LoginAttempt
from policy.vault.credentials import Credential
from recorder.capture.reach import StoreState
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader


class Access(Protocol):
    """The decisions of policy, and the leases of sessions. Every method may raise PolicyUnavailable."""

    async def decide(self, request: AccessRequest) -> Grant | Denial:
        """Answer *request* now."""
        ...

    async def recheck(self, grants: Sequence[Grant]) -> dict[SessionId, Held | Denial]:
        """Answer all live *grants* again, from one snapshot."""
        ...

    async def session_opened(self, grant: Grant, node: str) -> Earlier | None:
        """Take a lease for the session of *grant*, and tell what came before it in its intervention.

        Raises Conflict where the grant no longer holds, or is one too many.
        """
        ...

    async def node_started(self, hospital_id: HospitalId, node: str) -> None:
        """Note whose *node* begins, and end the leases that an earlier process of that name left open."""
        ...

    async def session_closed(self, hospital_id: HospitalId, session_id: SessionId, reason: str) -> None:
        """Give the lease back; those of many at once go together."""
        ...

    async def heartbeat(self, node: str) -> None:
        """Renew the leases of *node*."""
        ...

    async def exercise_heard(
        self, hospital_id: HospitalId, exercise_id: str, node: str, sessions: int
    ) -> None:
        """Say that an exercise of the general cut was heard of here, and how many sessions it would have ended."""
        ...

    async def changes_since(self, cursor: int | None) -> tuple[int, list[PolicyEvent]]:
        """Return the changes committed after *cursor* (None: from now on) and the next cursor."""
        ...


class Vault(Protocol):
    """Releases secrets to a grant."""

    async def release(self, grant: Grant | TaskGrant) -> Credential:
        """Return what opens the account of *grant*; raises VaultError."""
        ...


class Logins(Protocol):
    """The log-in machine."""

    async def begin(
        self,
        login: str,
        source: str,
        *,
        hospital_id: HospitalId | None = None,
        device: str | None = None,
    ) -> LoginAttempt:
        """Begin a log-in, towards *device* if one was named; never fails for an unknown person.

        Raises PolicyUnavailable.
        """
        ...

    def journal_to(self, on_outcome: Callable[[LoginOutcome], Awaitable[None]]) -> None:
        """Call *on_outcome* with every outcome before it is told."""
        ...


class Recording(Protocol):
    """One live trace."""

    @property
    def pending_bytes(self) -> int:
        """Bytes recorded that are not yet on the disk."""
        ...

    def record(
        self,
        type: FrameType,  # noqa: A002 - the word of the format
        channel: int,
        payload: bytes,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Append a frame; *then* runs on the loop, in order, once it survives a kill. Raises RecordingFailed."""
        ...

    def fail(self, error: Exception) -> None:
        """Let nothing pass any more for *error*: whoever opened it is told, once, and the alarm is raised."""
        ...

    async def close(self, reason: str, **details: object) -> None:
        """End the trace."""
        ...


class Recorder(Protocol):
    """Opens traces."""

    def state(self) -> StoreState:
        """How the trace store does and how much waits for it, as it is known: nobody is asked."""
        ...

    async def check_writable(self) -> None:
        """Raise SpoolUnavailable where no trace can be written now."""
        ...

    async def open(self, header: TraceHeader, on_failure: Callable[[Exception], None]) -> Recording:
        """Open the trace of *header*; *on_failure* is called once where a write fails or takes too long."""
        ...
