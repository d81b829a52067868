"""Settings of the policy package, handed over by the composition root."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from policy.domain.alarms import Severity
from policy.domain.interventions import InterventionKind
from policy.domain.windows import OUTAGE_GRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """What policy can be told.

    ``database_url``: ``sqlite:////absolute/path`` or ``postgresql://…``. ``keyring_directory``: the vault's keys.
    ``session_limit``: open sessions a person; ``requests_limit``: windows that
    one person may have asked for and not been answered, ``requests_a_day``: that she may ask for in a day. ``idle_*`` and ``longest_*``: the idle limit proposed for, and the
    longest occurrence of, a window of each kind. ``outage_grace``: how long a session outlasts an unreachable trace store where its window does not say longer. ``report_within``: how long after its last session an intervention is to be reported. ``horizon``: how far recurrences are stored ahead.
    ``four_eyes_period``: for how long who
    invited somebody, and whom she invited, don't approve for each other. ``store_timeout``: after it, policy counts as unreadable. ``lease``: a gateway silent for longer has lost its
    sessions. ``lockout_*``: failures of a person from one source before ``lockout_first``, doubling up to
    ``lockout_cap``; a source is locked by failures over ``lockout_names`` names within ``lockout_names_period``.
    ``engagements``: the texts are demanded of technicians invited from now on. ``pages_url``: where people find the
    hospital's pages, ``https://host:port`` without a path; ``mails``: what they must know is mailed to them.
    ``rehashes``: passwords are hashed anew where the present settings ask for more; not by who may not write them.
    ``visit_validity``: how long a browser may take; ``mail_validity``: for how long a mail is tried.
    ``alarm_mails`` and ``alarm_calls``: the least severity that is mailed, and told to the webhook; None: none is.
    ``call_validity``: for how long a message to the webhook is tried.
    """

    database_url: str
    keyring_directory: Path
    session_limit: int = 5
    requests_limit: int = 5
    requests_a_day: int = 20
    idle_monitoring: timedelta = timedelta(minutes=2)
    idle_maintenance: timedelta = timedelta(minutes=10)
    idle_assistance: timedelta = timedelta(minutes=5)
    outage_grace: timedelta = OUTAGE_GRACE
    longest_monitoring: timedelta = timedelta(days=31)
    longest_maintenance: timedelta = timedelta(hours=24)
    longest_assistance: timedelta = timedelta(hours=24)
    report_within: timedelta = timedelta(days=3)
    horizon: timedelta = timedelta(days=400)
    invitation_validity: timedelta = timedelta(days=7)
    four_eyes_period: timedelta = timedelta(days=30)
    token_longest: timedelta = timedelta(days=366)
    store_timeout: timedelta = timedelta(seconds=2)
    lease: timedelta = timedelta(seconds=15)
    lockout_failures: int = 3
    lockout_first: timedelta = timedelta(seconds=60)
    lockout_cap: timedelta = timedelta(hours=1)
    lockout_names: int = 10
    lockout_names_period: timedelta = timedelta(minutes=10)
    engagements: bool = True
    pages_url: str | None = None
    mails: bool = False
    rehashes: bool = True
    visit_validity: timedelta = timedelta(hours=1)
    mail_validity: timedelta = timedelta(days=3)
    console_longest: timedelta = timedelta(hours=10)
    console_idle: timedelta = timedelta(minutes=30)
    console_fresh: timedelta = timedelta(minutes=10)
    alarm_mails: Severity | None = Severity.HIGH
    alarm_calls: Severity | None = None
    call_validity: timedelta = timedelta(days=3)

    def idle_limit(self, kind: InterventionKind) -> timedelta:
        """Return the idle limit (T10) proposed for a window of that *kind*."""
        return {
            InterventionKind.REMOTE_MONITORING: self.idle_monitoring,
            InterventionKind.REMOTE_MAINTENANCE: self.idle_maintenance,
            InterventionKind.REMOTE_ASSISTANCE: self.idle_assistance,
        }[kind]

    def longest(self, kind: InterventionKind) -> timedelta:
        """Return how long one occurrence of a window of that *kind* may last."""
        return {
            InterventionKind.REMOTE_MONITORING: self.longest_monitoring,
            InterventionKind.REMOTE_MAINTENANCE: self.longest_maintenance,
            InterventionKind.REMOTE_ASSISTANCE: self.longest_assistance,
        }[kind]
