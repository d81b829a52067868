"""What a session's own limits say, without a question to anybody: its window's end, its silence, the warnings before both."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from gateway.server.banners import Wording
from gateway.session.known import known_by
from gateway.session.live import Session
from gateway.session.reasons import EndReason
from policy.clock import Clock

WARNINGS: Final = (10, 5, 1)
"""Minutes before the window's end at which a person is warned."""
IDLE_WARNING: Final = timedelta(minutes=1)
IDLE_WARNING_SHARE: Final = 5
"""A person is warned of her silence so long before its limit, or by this part of a short limit."""
REST_SECONDS: Final = 5.0
"""How long, at most, a session is not looked at to which nothing is to be said sooner: ten thousand cost as few should."""
STEP_SECONDS: Final = 1.0
"""A wall clock that went so much further than time passed was set: everybody is looked at."""
_FIRST_WARNING: Final = timedelta(minutes=max(WARNINGS))
_NOTHING: Final = timedelta(0)

_log = structlog.get_logger()


class Holding(Protocol):
    """What warns and ends sessions, and tells the journal of them."""

    def warn(self, session: Session, text: str) -> None:
        """Tell the person on each of her channels."""

    def end(self, session: Session, reason: EndReason) -> None:
        """End a session, once."""

    def note(self, name: str, session: Session, facts: Mapping[str, object]) -> None:
        """Tell the journal, behind whatever goes on."""


class Limits:
    """One a gateway."""

    def __init__(self, wording: Wording, clock: Clock, monotonic: Callable[[], float]) -> None:
        """Speak with *wording*; window ends are *clock*'s, silence is *monotonic*'s."""
        self._wording = wording
        self._clock = clock
        self._monotonic = monotonic
        self._apart = math.inf

    def look(self, sessions: Iterable[Session], by: Holding) -> None:
        """Warn and end whom it is time for; to be called often, whom nothing awaits soon is passed over."""
        now, instant = self._clock.now(), self._monotonic()
        apart = now.timestamp() - instant
        if abs(apart - self._apart) > STEP_SECONDS:
            self._apart, everybody = apart, True
        else:
            everybody = False
        for session in sessions:
            if instant < session.quiet_until and not everybody:
                continue
            try:
                self._look(session, now, instant, by)
            except Exception as error:
                _log.error("session.tick_failed", error=repr(error), **known_by(session.grant))
                by.end(session, EndReason.REFUSED)

    def _look(self, session: Session, now: datetime, instant: float, by: Holding) -> None:
        if session.ending is not None or not session.recorded:
            return
        moved = session.moved.due()
        if moved is not None:
            by.note("session.moved", session, moved)
        remaining = session.deadline.remaining(session.obligations.hard_end, now, instant)
        if remaining <= _NOTHING:
            by.end(session, EndReason.WINDOW)
            return
        silence = session.meter.remaining(instant, session.obligations)
        if session.connections and silence <= _NOTHING:
            by.end(session, EndReason.IDLE)
            return
        spare = silence - min(IDLE_WARNING, session.obligations.idle_limit / IDLE_WARNING_SHARE)
        self._warn_of_silence(session, silence, spare <= _NOTHING, by)
        if remaining <= _FIRST_WARNING or session.warned:
            self._warn(session, remaining, by)
        else:
            rest = min(spare, remaining - _FIRST_WARNING).total_seconds()
            session.quiet_until = instant + min(rest, REST_SECONDS)

    def _warn_of_silence(self, session: Session, remaining: timedelta, near: bool, by: Holding) -> None:
        if near and not session.warned_of_silence:
            by.warn(session, self._wording.say("warning.idle", session.grant.language, remaining=remaining))
        session.warned_of_silence = near

    def _warn(self, session: Session, remaining: timedelta, by: Holding) -> None:
        due = [minutes for minutes in WARNINGS if remaining <= timedelta(minutes=minutes)]
        session.warned &= set(due)  # a window that was extended warns again
        fresh = [minutes for minutes in due if minutes not in session.warned]
        if not fresh:
            return
        session.warned |= set(fresh)
        remaining = timedelta(minutes=min(fresh))
        by.warn(session, self._wording.say("warning.window-end", session.grant.language, remaining=remaining))
