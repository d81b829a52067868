"""How long a frame has waited for the spool, as the watch over stuck disks asks."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from typing_extensions import override

from recorder.capture.session import Recording
from recorder.trace.frames import FrameType


class Disk(Executor):
    """An executor, and what it writes to: work waits until it is let go."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.written: list[bytes] = []

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **_kwargs: Any) -> "Future[Any]":
        """Keep the work."""
        self.waiting.append(lambda: fn(*args))
        return Future()

    def write(self, batch: list[Any]) -> None:
        """Take a record, as a trace's writer does."""
        self.written += [frame.payload for frame in batch]


async def left(_recording: Recording, _reason: str) -> None:
    """Nothing is closed here."""


async def test_what_is_written_waits_no_more_though_the_loop_has_not_heard_of_it() -> None:
    """A frame waits from when it is recorded until it is in the spool: a busy loop is no stuck disk."""
    disk = Disk()
    failures: list[Exception] = []
    recording = Recording(
        "s1",
        disk,  # type: ignore[arg-type]  # of a writer, only `write` is asked for
        disk,
        on_failure=failures.append,
        on_busy=lambda _recording: None,
        on_close=left,
        close_timeout=1,
    )
    recording.record(FrameType.OUTPUT, 1, b"first")
    assert recording.waiting_ns() > 0
    disk.waiting.pop()()
    assert disk.written == [b"first"]
    assert recording.writing
    assert recording.waiting_ns() == 0
    recording.record(FrameType.OUTPUT, 1, b"second")
    assert (
        recording.waiting_ns() == 0
    )  # the loop will hand it over when it hears of the first: nobody's disk is stuck
    assert not failures
