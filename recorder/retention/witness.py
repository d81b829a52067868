"""Whether the clock may be believed when it says that something is old: nothing is destroyed on its word alone.

A clock that is put forward makes everything due. So an age is counted by what else saw the time pass: the chain of
checkpoints, which grows at least daily, time stamps of authorities, and the database server's own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text

from recorder.store.columns import Instant
from recorder.store.database import Database
from recorder.store.tables import checkpoint_stamps, checkpoints

UNSEEN: Final = timedelta(days=2)
"""How long may pass between two checkpoints, and since the last stamp: what is more, nobody saw."""
TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of the time.

    Attributes:
        now: What the clock says, aware UTC.
        doubt: None, or why nothing is purged now: ``database_clock``, ``not_stamped`` or ``stamped_later``.
        gaps: Ends of stretches in which no checkpoint was made, and how much of each nobody saw.
    """

    now: datetime
    doubt: str | None
    gaps: Sequence[tuple[datetime, timedelta]]

    def age(self, since: datetime) -> timedelta:
        """How much time was seen to pass since that aware instant."""
        unseen = sum((min(gap, end - since) for end, gap in self.gaps if end > since), timedelta())
        return self.now - since - unseen

    def before(self, age: timedelta) -> datetime:
        """The latest aware instant since which so much time was seen to pass; the first of all where nothing saw it."""
        at, first = self.now - age, datetime.min.replace(tzinfo=UTC)
        while (missing := age - self.age(at)) > timedelta():
            if at - first <= missing:
                return first
            at -= missing
        return at

    def age_of(self, closed_at: datetime, noted_at: datetime | None) -> timedelta:
        """Age of what a gateway says ended at one instant, and a checkpoint first told of at another (None: none yet).

        The gateway's word counts where the checkpoint came soon after. Else its clock was wrong, or somebody has it:
        what is said to have ended long before anybody here knew of it is as old as that knowledge.
        """
        if noted_at is None:
            return timedelta()
        return self.age(closed_at if noted_at - closed_at <= UNSEEN else noted_at)


async def witness(database: Database, hospital_id: str, now: datetime, *, stamped: bool) -> Witness:
    """Ask everything that saw time pass.

    Args:
        database: Holds checkpoints and stamps.
        hospital_id: Whose.
        now: What the clock says, aware UTC.
        stamped: Whether an authority stamps the checkpoints: then one must have done so lately.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    rows = checkpoints.c
    before = func.lag(rows.at, type_=Instant()).over(order_by=rows.sequence)
    ordered = select(rows.at.label("at"), before.label("before")).where(rows.hospital_id == hospital_id)
    steps = ordered.subquery()
    limit = UNSEEN // timedelta(microseconds=1)
    wide = select(steps.c.at, steps.c.before).where(text(f"at - before > {limit}")).select_from(steps)
    last = select(func.max(rows.at)).where(rows.hospital_id == hospital_id)
    stamp = select(func.max(checkpoint_stamps.c.at)).where(checkpoint_stamps.c.hospital_id == hospital_id)
    async with database.read() as connection:
        gaps = [(row.at, row.at - row.before - UNSEEN) for row in await connection.execute(wide)]
        newest: datetime | None = (await connection.execute(last)).scalar()
        told: datetime | None = (await connection.execute(stamp)).scalar()
        server = None
        if database.dialect == "postgresql":
            server = (await connection.execute(select(func.clock_timestamp()))).scalar_one().astimezone(UTC)
    if newest is None or now - newest > UNSEEN:
        # without any checkpoint nothing saw the time pass
        gaps.append(
            (now, now - newest - UNSEEN if newest is not None else now - datetime.min.replace(tzinfo=UTC))
        )
    return Witness(now, _doubt(now, server, told, stamped=stamped), gaps)


def _doubt(now: datetime, server: datetime | None, told: datetime | None, *, stamped: bool) -> str | None:
    if server is not None and abs(server - now) > TOLERANCE:
        return "database_clock"
    if stamped and (told is None or now - told > UNSEEN):
        return "not_stamped"
    if told is not None and told - now > TOLERANCE:
        return "stamped_later"
    return None
