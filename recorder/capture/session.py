"""The event loop's side of one live trace."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from enum import Enum

from recorder.capture.writer import TraceWriter
from recorder.errors import RecordingFailed, TraceFormatError
from recorder.trace.frames import FRAME_HEAD, MAX_PAYLOAD, Frame, FrameType, canonical

BATCH_BYTES = 544 * 1024
"""Bytes of frames that travel as one record: two of 256 KiB and what is beside them. Each record costs two changes
of thread, however small it is."""

Then = Callable[[], None]
_Batch = list[tuple[Frame, Then | None]]


class _State(Enum):
    OPEN = "open"
    CLOSING = "closing"
    FAILED = "failed"


class Recording:
    """One live trace: frames go in on the loop, a thread writes them, the loop lets them pass.

    Made by `Recorder.open`. Every method is called on the event loop.

    Attributes:
        session_id: The session recorded.
        writer: The thread's side of it.
        dirty: Whether something was written since the last sync; the watch clears it.
        error: Why it failed.
        released: Set while no thread writes for it.
    """

    def __init__(
        self,
        session_id: str,
        writer: TraceWriter,
        pool: Executor,
        *,
        on_failure: Callable[[Exception], None],
        on_busy: Callable[[Recording], None],
        on_close: Callable[[Recording, str], Awaitable[None]],
        close_timeout: float,
    ) -> None:
        self.session_id = session_id
        self.writer = writer
        self.dirty = False
        self.error: Exception | None = None
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._on_busy = on_busy
        self._on_close = on_close
        self._close_timeout = close_timeout
        self._zero_ns = time.monotonic_ns()
        self._pending: deque[tuple[Frame, Then | None]] = deque()
        self._pending_bytes = 0
        self._oldest_ns = 0
        self._writing = False
        self._landed = False
        self._state = _State.OPEN
        self.released = asyncio.Event()
        self.released.set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed: asyncio.Task[None] | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes recorded that are not yet in the spool: the caller's cue to stop reading."""
        return self._pending_bytes

    @property
    def failed(self) -> bool:
        """Whether the recording broke: nothing passes any more."""
        return self._state is _State.FAILED

    @property
    def writing(self) -> bool:
        """Whether a thread is writing for this recording."""
        return self._writing

    def record(self, type: FrameType, channel: int, payload: bytes, then: Then | None = None) -> None:  # noqa: A002 - the word of the format
        """Record what is about to pass; never blocks.

        Args:
            type: What the payload tells.
            channel: SSH channel it belongs to, 0 for the whole session.
            payload: See `Frame`.
            then: Called on the loop, in order, once the frame survives a ``kill -9``; never after
                a failure. What passes, passes there.

        Raises:
            RecordingFailed: The recording has failed or is closing.
            TraceFormatError: The payload is larger than `MAX_PAYLOAD`.
        """
        if self._state is not _State.OPEN:
            raise RecordingFailed(
                f"session {self.session_id} takes no more frames: it is {self._state.value}"
            )
        if len(payload) > MAX_PAYLOAD:
            raise TraceFormatError(f"a frame's payload has at most {MAX_PAYLOAD} bytes, not {len(payload)}")
        self._append(type, channel, payload, then)

    def waiting_ns(self) -> int:
        """How long the oldest frame that is not in the spool has waited; 0 when there is none.

        What is there waits no more, however late a busy loop hears of it.
        """
        if not self._writing or self._landed:
            return 0
        return time.monotonic_ns() - self._zero_ns - self._oldest_ns

    def fail(self, error: Exception) -> None:
        """End the recording: what is pending will not pass, and ``on_failure`` is told once."""
        if self._state is _State.FAILED:
            return
        self._state = _State.FAILED
        self.error = error
        self._pending.clear()
        self._pending_bytes = 0
        self._quiet.set()
        self._on_failure(error)

    async def close(self, reason: str, **details: object) -> None:
        """Write the END frame, sign the manifest and hand the trace to the store.

        Repeated calls wait for the first. Bounded in time: on a stuck disk the trace stays in the
        spool, to be closed as interrupted when the disk answers again or the process restarts.

        Args:
            reason: Why the session ends, a word such as ``cut`` or ``window_ended``.
            details: Further facts of the END frame; JSON values.

        Raises:
            TraceFormatError: ``details`` have no JSON form.
        """
        if self._closed is None:
            payload = canonical({**details, "reason": reason})
            if self._state is _State.OPEN:
                self._state = _State.CLOSING
                self._append(FrameType.END, 0, payload, None)
            self._closed = self._loop.create_task(self._finish(reason))
        await asyncio.shield(self._closed)

    async def _finish(self, reason: str) -> None:
        try:
            async with asyncio.timeout(self._close_timeout):
                await self._quiet.wait()
        except TimeoutError:
            self.fail(RecordingFailed("the spool did not take the end of the session in time"))
        await self._on_close(self, reason)

    def _append(self, kind: FrameType, channel: int, payload: bytes, then: Then | None) -> None:
        at_ns = time.monotonic_ns() - self._zero_ns
        self._pending.append((Frame(kind, channel, at_ns, payload), then))
        self._pending_bytes += len(payload)
        if not self._writing:
            self._write_next()

    def _write_next(self) -> None:
        pending = self._pending
        batch: _Batch = [pending.popleft()]
        size = FRAME_HEAD.size + len(batch[0][0].payload)
        while pending:
            size += FRAME_HEAD.size + len(pending[0][0].payload)
            if size > BATCH_BYTES:
                break
            batch.append(pending.popleft())
        self._oldest_ns = batch[0][0].at_ns
        self._writing = True
        self._landed = False
        self._quiet.clear()
        self.released.clear()
        try:
            self._pool.submit(self._write, batch)
        except RuntimeError as error:  # the pool is shut down, or the machine gives no more threads
            self._writing = False
            self.released.set()
            self.fail(error)
            return
        self._on_busy(self)

    def _write(self, batch: _Batch) -> None:
        """In a thread: one record."""
        error: Exception | None = None
        try:
            self.writer.write([frame for frame, _ in batch])
        except Exception as caught:
            error = caught
        self._landed = error is None
        try:
            self._loop.call_soon_threadsafe(self._written, batch, error)
        except RuntimeError:
            return  # the loop is gone: the process ends, and the next start finds the trace

    def _written(self, batch: _Batch, error: Exception | None) -> None:
        self._writing = False
        self.released.set()
        self.dirty = True
        if self._state is _State.FAILED:
            self._quiet.set()
            return
        if error is not None:
            self.fail(error)
            return
        self._pending_bytes -= sum(len(frame.payload) for frame, _ in batch)
        if self._pending:
            self._write_next()  # first, so that the thread works while the loop lets these pass
        else:
            self._quiet.set()
        for _, then in batch:
            if then is not None and not self.failed:
                self._pass(then)

    def _pass(self, then: Then) -> None:
        try:
            then()
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"letting a recorded frame of {self.session_id} pass failed", "exception": error}
            )
