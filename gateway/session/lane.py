"""One direction through the recorder: nothing passes before its frames are written, nothing overtakes."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.ports import Recording
from gateway.session.fail_closed import fails_closed
from gateway.session.valve import Valve
from recorder.errors import RecordingFailed
from recorder.trace.frames import FrameType

HIGH_WATER = 512 * 1024
LOW_WATER = 256 * 1024
"""Bytes that wait for the recorder before the direction is held, and at which it flows again: one record is then
being written while the next one gathers."""
PIECE_BYTES = 4096
"""What a piece counts beside its own bytes: a thousand pieces of one byte are work and memory too."""

Piece = tuple[FrameType, bytes]


@dataclass(slots=True)
class _Waiting:
    forward: Callable[[], None]
    size: int
    unwritten: int


class Lane:
    """Records first, forwards then (invariant 4), and holds its valve while the disk is behind."""

    def __init__(self, recording: Recording, channel: int, valve: Valve) -> None:
        """Record under the number *channel*; hold *valve* while too much waits."""
        self._recording = recording
        self._channel = channel
        self._valve = valve
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0

    def pass_on(self, pieces: Sequence[Piece], forward: Callable[[], None], size: int = 0) -> None:
        """Call *forward* once *pieces* are written and everything before it has passed.

        *size* is the number of bytes that wait with it. After the recording has failed nothing passes:
        the call is dropped, and whoever owns the recording ends the session.
        """
        if not pieces and not self._queue:
            forward()
            return
        waiting = _Waiting(forward, size + PIECE_BYTES, len(pieces))
        self._queue.append(waiting)
        self._bytes += waiting.size
        if self._bytes > HIGH_WATER:
            self._valve.hold("recorder")
        try:
            for kind, payload in pieces:
                self._recording.record(kind, self._channel, payload, partial(self._written, waiting))
        except RecordingFailed:
            self._queue.clear()
        except Exception as error:  # this piece cannot be recorded: neither it nor what follows may pass
            self.broke_down(error)

    def broke_down(self, error: Exception) -> None:
        """Let nothing pass any more, and have the recorder raise its alarm and end the session."""
        self._queue.clear()
        self._recording.fail(error)

    @fails_closed
    def _written(self, waiting: _Waiting) -> None:
        waiting.unwritten -= 1
        while self._queue and not self._queue[0].unwritten:
            first = self._queue.popleft()
            self._bytes -= first.size
            first.forward()
        if self._bytes <= LOW_WATER:
            self._valve.release("recorder")
