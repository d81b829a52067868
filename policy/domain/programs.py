"""The programs that use the databases: a gateway or a console under a name, which is one process's alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ProgramKind(StrEnum):
    """Which of the two processes it is: each kind has names of its own."""

    GATEWAY = "gateway"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process that claims the name *node*; ``claim`` is its own word for that, another at every start.

    ``version`` is Écluse's, ``policy_schema`` and ``trace_schema`` are the newest revisions it knows. Instants are aware
    UTC; ``beat_at`` is its last sign of life, ``ended_at`` None until it ended in order. ``proved``: it was sealed under
    the vault's keys, which a database password alone does not give.
    """

    kind: ProgramKind
    node: str
    claim: str
    host: str
    pid: int
    version: str
    policy_schema: str
    trace_schema: str
    started_at: datetime
    beat_at: datetime
    ended_at: datetime | None = None
    proved: bool = True

    def alive(self, at: datetime, lease: timedelta) -> bool:
        """Whether it gave a sign of life within *lease* before *at*, and has not said that it ended."""
        return self.ended_at is None and self.beat_at >= at - lease

    def lapses(self, at: datetime, lease: timedelta) -> timedelta:
        """How long from *at* its name stays its own without a further sign of life."""
        return max(self.beat_at + lease - at, timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What became of a claim: ``holder`` has the name, None where who asked has it now.

    ``forged`` stood in its place, and was not sealed under the vault's keys, or a copy of what once was.
    """

    holder: Program | None = None
    forged: Program | None = None
