"""A session of the console: one browser of one of the hospital's staff, kept on the server's side."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from policy.domain.ids import HospitalId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """What is known of a session; its bearer's secret is kept as a hash only.

    It ends at ``expires_at`` whatever is done in it, and before where nothing was asked since ``seen_at`` for longer
    than the installation allows. ``proved_at`` is when a code was last given in it. ``source`` is an IP literal. All
    instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    person_id: PersonId
    source: str
    started_at: datetime
    expires_at: datetime
    seen_at: datetime
    proved_at: datetime

    def open_at(self, at: datetime, idle: timedelta) -> bool:
        """Tell whether it may go on at the aware instant *at*, *idle* being how long it may rest."""
        return at < self.expires_at and at < self.seen_at + idle

    def fresh_at(self, at: datetime, within: timedelta) -> bool:
        """Tell whether a code was given in it no longer than *within* before *at*."""
        return at < self.proved_at + within


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A trace that the bearer of a console session may read, and why; the session's end is its end too.

    ``trace_id`` is the identifier of the recorded session.
    """

    hospital_id: HospitalId
    console_session_id: str
    trace_id: str
    reason: str
    at: datetime
