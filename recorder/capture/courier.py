"""Brings live traces to the store while they grow, beside the bridge and never in its way."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import structlog

from embedded.patience import patience
from recorder.capture.delivery import Delivery
from recorder.capture.outage import Outage
from recorder.capture.reach import PROBE, Reach, StoreState
from recorder.capture.session import Recording
from recorder.errors import StoreUnavailable, StoreUnreachable
from recorder.ports import TraceStore
from recorder.trace.place import SEGMENT_SECONDS

ROUND_SECONDS = 0.4
"""How often what grew of one trace is shipped; half a second with the way to the store."""
TURN_SECONDS = 0.05
"""How often the courier looks whose turn it is: traces take turns, so that their threads do not all wake at once."""
LOOK_SECONDS = 5.0
"""How often it looks at those too that have not grown, for what has become old."""
RETRY_SECONDS = 2.0
"""How long a store that refused is left alone."""
CHECK_SECONDS = 2.0

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Followed:
    """One live trace; ``had`` is what the store has of it: bytes, records, segments."""

    recording: Recording
    delivery: Delivery
    began: float
    had: tuple[int, int, int] = (0, 0, 0)
    started_at: float = 0.0
    behind_since: float | None = None
    round: asyncio.Future[tuple[int, int, int]] | None = None
    due_at: float = 0.0

    @property
    def lag(self) -> int:
        """Bytes that are not in the store."""
        return max(0, self.recording.writer.offset - self.delivery.end)

    @property
    def unsealed(self) -> bool:
        """Whether something of it is in no segment yet."""
        return self.recording.writer.offset > self.delivery.segments.end

    @property
    def rests(self) -> bool:
        """Whether all of it is in the store, and nothing is being written: until it is `busy` again."""
        return not self.recording.writing and self.round is None and not self.lag

    def ship(self, at: float, *, old: bool) -> tuple[int, int, int]:
        """In a thread: cut what is due, bring it and what grew; what the store has then."""
        writer, segments = self.recording.writer, self.delivery.segments
        end, sequence = writer.position  # before the borders: those that lie before it are among them then
        borders = [*writer.borders.found, end] if old else list(writer.borders.found)
        if borders and borders[-1] > segments.end:
            writer.sync()  # what is cut must not be lost again
            segments.cut_at(borders)
            self.began = at
        self.delivery.bring(end)
        return (end, sequence, len(segments.cut)) if self.delivery.end >= end else self.had


class Courier:
    """One a recorder, on its loop; the store's calls are made in threads of their own.

    Args:
        store: Where traces go.
        pool: Threads that may wait for the store, and that nothing else waits for.
        reach: Told how the store does.
        segment_seconds: Age at which a segment is cut.
        retry_seconds: How long a trace that was refused is left alone.
    """

    def __init__(
        self,
        store: TraceStore,
        pool: Executor,
        reach: Reach,
        *,
        segment_seconds: float = SEGMENT_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._pool = pool
        self._reach = reach
        self._segment_seconds = segment_seconds
        self._retry_seconds = retry_seconds
        self._followed: dict[Recording, _Followed] = {}
        self._growing: set[_Followed] = set()
        self._left: dict[str, int] = {}
        self._turns = 0
        self._looked_at = -math.inf
        self._probe: asyncio.Future[None] | None = None

    def follow(self, recording: Recording, delivery: Delivery) -> None:
        """Ship this trace from now on."""
        at = time.monotonic()
        turn = self._turns % int(ROUND_SECONDS / TURN_SECONDS)
        self._turns += 1
        followed = _Followed(recording, delivery, at, due_at=at + turn * TURN_SECONDS)
        self._followed[recording] = followed
        self._growing.add(followed)

    def busy(self, recording: Recording) -> None:
        """Something is written to it from now on: who sits before a silent terminal is not looked at meanwhile."""
        followed = self._followed.get(recording)
        if followed is not None:
            self._growing.add(followed)

    async def leave(self, recording: Recording) -> None:
        """Ship it no more; its delivery is nobody's when this returns, once a round under way is over."""
        followed = self._followed.pop(recording, None)
        if followed is not None:
            self._growing.discard(followed)
            self._left[recording.session_id] = followed.lag
            if followed.round is not None:
                await asyncio.wait({followed.round})

    @property
    def live(self) -> frozenset[str]:
        """The sessions whose traces are live."""
        return frozenset(recording.session_id for recording in self._followed)

    @property
    def lag(self) -> int:
        """Bytes of live traces that are not in the store."""
        return sum(one.lag for one in self._growing)

    def left(self) -> dict[str, int]:
        """The same of those that are live no more, as they left; until somebody has looked at the spool since."""
        return dict(self._left)

    def looked_at(self, sessions: Iterable[str]) -> None:
        """Forget how these left: what of them is in the spool is known."""
        for session_id in sessions:
            self._left.pop(session_id, None)

    def note(self, outage: Outage) -> None:
        """Tell an outage which live traces wait, and what the store has of them."""
        for one in self._followed.values():
            outage.begin(one.recording.session_id, *one.had)

    def caught_up(self, outage: Outage) -> bool:
        """Whether all that waited in an outage that is over is in the store."""
        live = {one.recording.session_id: one for one in self._followed.values()}
        for session_id, waiting in outage.sessions.items():
            one = live.get(session_id)
            if one is None or waiting.done:
                continue
            if waiting.mark is None:
                waiting.mark = one.recording.writer.offset
            waiting.done = one.had[0] >= waiting.mark
        return all(waiting.done for waiting in outage.sessions.values())

    def state(self, spool_bytes: int = 0, spool_quota: int = 0) -> StoreState:
        """How the store does, and how far it is behind."""
        at = time.monotonic()
        since = [each.behind_since for each in self._growing if each.behind_since is not None]
        return self._reach.state(self.lag, at - min(since, default=at), spool_bytes, spool_quota)

    async def check(self, timeout: float = CHECK_SECONDS) -> StoreState:
        """Ask the store whether it would take a trace now; answers within about this many seconds.

        Raises:
            StoreUnavailable: It would not, by its kinds.
        """
        began = time.monotonic()
        if self._probe is None or self._probe.done():  # one thread at most waits on a store that hangs
            self._probe = self._in_thread(lambda: self._store.check(timeout))
        try:
            async with patience(2 * timeout):
                await asyncio.shield(self._probe)
        except TimeoutError as late:
            error = StoreUnreachable(f"the trace store did not answer within {2 * timeout:g} s")
            self._reach.refused(error, PROBE, began)
            raise error from late
        except StoreUnavailable as error:
            self._reach.refused(error, PROBE, began)
            raise
        self._reach.served(PROBE)
        return self.state()

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            self.round(time.monotonic())
            await asyncio.sleep(TURN_SECONDS)

    def round(self, at: float) -> None:
        """Begin to ship what is due of the live traces whose turn it is; none waits for another.

        Args:
            at: Seconds of the monotonic clock.
        """
        everybody = not 0 <= at - self._looked_at < LOOK_SECONDS
        if everybody:
            self._looked_at = at
        for followed in list(self._followed.values() if everybody else self._growing):
            if followed.rests:
                self._growing.discard(followed)
                if not followed.unsealed:
                    continue
            if followed.lag and followed.behind_since is None:
                followed.behind_since = at
            old = followed.unsealed and at - followed.began >= self._segment_seconds
            if not self._reach.worth_trying:
                continue
            if followed.round is None and at >= followed.due_at and (followed.lag or old):
                followed.due_at = at + ROUND_SECONDS
                self._begin(followed, at, old=old)

    def _begin(self, followed: _Followed, at: float, *, old: bool) -> None:
        followed.started_at = time.monotonic()
        followed.round = self._in_thread(lambda: followed.ship(at, old=old))
        followed.round.add_done_callback(lambda done: self._shipped(followed, done))

    def _shipped(self, followed: _Followed, done: asyncio.Future[tuple[int, int, int]]) -> None:
        session_id = followed.recording.session_id
        followed.round = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            followed.behind_since = None
            followed.had = done.result()
            if self._reach.outage is not None:
                self._reach.outage.came(session_id, *followed.had)
            self._reach.served(session_id)
            return
        followed.due_at = time.monotonic() + self._retry_seconds
        if isinstance(error, StoreUnavailable):
            self._reach.refused(error, session_id, followed.started_at)
        else:
            _log.warning("a live trace is not shipped", session=session_id, error=str(error))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work)
