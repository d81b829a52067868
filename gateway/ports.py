"""What a relay asks of the recorder, as a protocol: a tape of a test will do."""

from collections.abc import Callable
from typing import Protocol

from recorder.trace.frames import FrameType


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
