"""Time stamps of checkpoints: asked of every authority, kept as they came, told of where none comes."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, insert, select
from sqlalchemy.exc import IntegrityError

from recorder.errors import StampInvalid
from recorder.ports import Now
from recorder.proof.inspection import Inspection
from recorder.proof.ledger import CLOCK_TOLERANCE, Ledger
from recorder.seal.timestamping import Authority, check, request
from recorder.store.database import Database
from recorder.store.tables import checkpoint_stamps, checkpoints
from recorder.trace import instants

LATE: Final = "alarm.timestamp_late"
CAUGHT_UP: Final = "alarm.timestamp_caught_up"
DRIFT: Final = "alarm.clock_drift"
RIGHT: Final = "alarm.clock_right"

CERTAIN: Final = timedelta(days=1)
"""How long after its date a checkpoint's first stamp may come, before its date is called uncertain."""

Post = Callable[[str, bytes], Awaitable[bytes]]
"""Sends a request to a URL and gives the answer; raises OSError where none comes."""
Tell = Callable[[str, dict[str, object]], Awaitable[None]]
"""Raises an alarm by its name, with facts."""


class Stamper:
    """Has the newest checkpoint stamped by each authority: by the chain, a stamp covers all that came before it.

    Args:
        database: Holds checkpoints and stamps.
        hospital_id: Whose.
        authorities: Whom to ask; each is asked, whatever the others say.
        post: The way to them.
        tell: Told of an authority that has given nothing for too long, and of a clock that is wrong: once when it
            begins, once when it is over.
        node: How this machine is called in what is told.
        late_after: How old a checkpoint may grow without the stamp of an authority before that is an alarm.
        now: Wall clock, aware UTC.
    """

    def __init__(
        self,
        database: Database,
        hospital_id: str,
        authorities: Sequence[Authority],
        *,
        post: Post,
        tell: Tell,
        node: str,
        late_after: timedelta,
        now: Now,
    ) -> None:
        self._database = database
        self._hospital_id = hospital_id
        self._authorities = authorities
        self._post = post
        self._tell = tell
        self._node = node
        self._late_after = late_after
        self._now = now
        self._told: set[tuple[str, str]] = set()

    async def stamp(self) -> dict[str, str]:
        """Ask for what stamps are missing; for each authority that gave none, why.

        Raises:
            SQLAlchemyError: The database refuses.
            JournalBroken: An alarm could not be kept.
        """
        failed: dict[str, str] = {}
        for authority in self._authorities:
            due = await self._due(authority.name)
            if due is None:
                continue
            try:
                await self._ask(authority, due.sequence, due.content.encode())
            except (OSError, StampInvalid) as error:
                failed[authority.name] = str(error) or type(error).__name__
                await self._late(authority.name, failed[authority.name])
            else:
                await self._over(LATE, CAUGHT_UP, authority.name, {"authority": authority.name})
        return failed

    async def _due(self, name: str) -> Any:
        """The newest checkpoint, where this authority has not stamped it."""
        table, stamps = checkpoints.c, checkpoint_stamps.c
        query = (
            select(table.sequence, table.content)
            .where(table.hospital_id == self._hospital_id)
            .order_by(table.sequence.desc())
            .limit(1)
        )
        last = select(func.max(stamps.sequence)).where(
            stamps.hospital_id == self._hospital_id, stamps.authority == name
        )
        async with self._database.read() as connection:
            newest = (await connection.execute(query)).one_or_none()
            stamped = (await connection.execute(last)).scalar() or 0
        return newest if newest is not None and newest.sequence > stamped else None

    async def _ask(self, authority: Authority, sequence: int, content: bytes) -> None:
        asked = request(content)
        answer = await self._post(authority.url, asked.as_bytes())
        at = check(answer, content, authority, asked=asked)
        row = {
            "hospital_id": self._hospital_id,
            "sequence": sequence,
            "authority": authority.name,
            "at": at,
            "token": base64.b64encode(answer).decode(),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(checkpoint_stamps), row)
        except IntegrityError:  # another console was faster; its stamp is as good
            return
        await self._compare_clocks(authority.name, at)

    async def _compare_clocks(self, name: str, at: datetime) -> None:
        off = self._now() - at
        facts: dict[str, object] = {
            "node": self._node,
            "seconds": round(off.total_seconds()),
            "against": name,
        }
        if abs(off) <= CLOCK_TOLERANCE:
            await self._over(DRIFT, RIGHT, name, facts)
        else:
            await self._once(DRIFT, name, facts)

    async def _late(self, name: str, why: str) -> None:
        """Raise the alarm where the oldest checkpoint that no stamp of this authority covers is too old."""
        table, stamps = checkpoints.c, checkpoint_stamps.c
        last = (
            select(func.coalesce(func.max(stamps.sequence), 0))
            .where(stamps.hospital_id == self._hospital_id, stamps.authority == name)
            .scalar_subquery()
        )
        query = (
            select(table.sequence, table.at)
            .where(table.hospital_id == self._hospital_id, table.sequence > last)
            .order_by(table.sequence)
            .limit(1)
        )
        async with self._database.read() as connection:
            oldest = (await connection.execute(query)).one_or_none()
        if oldest is not None and self._now() - oldest.at >= self._late_after:
            facts: dict[str, object] = {
                "authority": name,
                "checkpoint": oldest.sequence,
                "since": instants.text(oldest.at),
                "detail": why,
            }
            await self._once(LATE, name, facts)

    async def _once(self, alarm: str, name: str, facts: dict[str, object]) -> None:
        if (alarm, name) not in self._told:
            self._told.add((alarm, name))
            await self._tell(alarm, facts)

    async def _over(self, alarm: str, end: str, name: str, facts: dict[str, object]) -> None:
        if (alarm, name) in self._told:
            self._told.discard((alarm, name))
            await self._tell(end, facts)


async def verify_stamps(
    database: Database,
    hospital_id: str,
    authorities: Sequence[Authority],
    ledger: Ledger,
    inspection: Inspection,
) -> None:
    """Check every stamp, and date each checkpoint of the ledger by the first one that covers it.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    known = {authority.name: authority for authority in authorities}
    stamped: dict[int, datetime] = {}
    before: dict[str, datetime] = {}
    for row in await _stamps(database, hospital_id):
        authority = known.get(row.authority)
        if authority is None:
            inspection.remark(
                "stamp", row.sequence, "unchecked", f"no authority {row.authority} is configured"
            )
            continue
        try:
            at = await asyncio.to_thread(_checked, row, authority)
        except StampInvalid as error:
            inspection.found("stamp", row.sequence, "invalid", str(error))
            continue
        inspection.counts["stamps"] += 1
        stamped[row.sequence] = min(at, stamped.get(row.sequence, at))
        if at + CLOCK_TOLERANCE < before.get(row.authority, at):
            inspection.remark("stamp", row.sequence, "order", "the one before it was stamped later")
        before[row.authority] = at
    if stamped:
        _cover(stamped, ledger, inspection)


def _cover(stamped: Mapping[int, datetime], ledger: Ledger, inspection: Inspection) -> None:
    covered: datetime | None = None
    newest, late = max(ledger.dates.values(), default=None), list[int]()
    for sequence, said in sorted(ledger.dates.items(), reverse=True):
        at = stamped.get(sequence)
        covered = at if covered is None else min(covered, at or covered)
        if covered is not None:
            ledger.stamped[sequence] = covered
        if covered is not None and said - covered > CLOCK_TOLERANCE:
            detail = f"it is dated {said - covered} after a time stamp that covers it: a clock was ahead"
            inspection.remark("clock", f"checkpoint {sequence}", "ahead", detail)
        until = covered or newest
        if until is not None and until - said > CERTAIN:
            late.append(sequence)
    if late:
        detail = f"{len(late)} checkpoints from {min(late)} on were not stamped within a day of their date"
        inspection.remark("stamp", min(late), "late", detail)


async def _stamps(database: Database, hospital_id: str) -> Sequence[Any]:
    table, stamps = checkpoints.c, checkpoint_stamps.c
    query = (
        select(stamps.sequence, stamps.authority, stamps.token, stamps.at, table.content)
        .join(
            checkpoints,
            and_(table.hospital_id == stamps.hospital_id, table.sequence == stamps.sequence),
            isouter=True,
        )
        .where(stamps.hospital_id == hospital_id)
        .order_by(stamps.sequence, stamps.authority)
    )
    async with database.read() as connection:
        return (await connection.execute(query)).all()


def _checked(row: Any, authority: Authority) -> datetime:
    try:
        answer = base64.b64decode(row.token, validate=True)
    except binascii.Error as error:
        raise StampInvalid("its time stamp is not base64") from error
    at = check(answer, (row.content or "").encode("utf-8", "surrogatepass"), authority)
    if at != row.at:
        raise StampInvalid("its column at is not what the authority wrote")
    return at
