"""How long rows are kept that serve nothing any more, and what is old at a given instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_UNREAD: Final = timedelta(days=1)
"""A change stays in the outbox at least that long: a gateway that reads none for minutes has ended its sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages beyond which rows are removed. The journal and the traces are no part of it: they keep what was done.

    ``attempts``: log-ins tried. ``codes``: one-time codes used. ``sessions``: sessions that ended. ``tasks``: device
    tasks that finished. ``outbox``: changes that the journal holds. ``bearers``: tokens, invitations and visits that
    serve no more, and mails that left or were given up.
    """

    attempts: timedelta = timedelta(days=90)
    codes: timedelta = timedelta(days=2)
    sessions: timedelta = timedelta(days=400)
    tasks: timedelta = timedelta(days=90)
    outbox: timedelta = timedelta(days=90)
    bearers: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """What is old: rows that ended before these aware instants, and one-time codes of a step before ``code_step``.

    ``journalled`` is the position up to which the journal holds the outbox; nothing after it is old.
    """

    attempts: datetime
    code_step: int
    sessions: datetime
    tasks: datetime
    outbox: datetime
    journalled: int
    bearers: datetime
    invitations: datetime
