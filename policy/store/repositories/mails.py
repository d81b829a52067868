"""Mails that wait to leave."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from policy.domain.ids import HospitalId, PersonId
from policy.domain.mails import Mail, MailKind
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.mails.c


class Mails(Repository):
    """Table ``mails``."""

    async def insert(self, mail: Mail) -> None:
        """Add a mail."""
        await self._connection.execute(insert(t.mails).values(mapping.columns(mail)))

    async def find(self, hospital_id: HospitalId, mail_id: str) -> Mail | None:
        """Return one mail, None where there is none in this hospital."""
        query = select(t.mails).where((_c.hospital_id == hospital_id) & (_c.id == mail_id))
        row = (await self._connection.execute(query)).first()
        return None if row is None else _mail(row)

    async def due(self, hospital_id: HospitalId, at: datetime, limit: int) -> Sequence[Mail]:
        """Return at most *limit* mails to be tried at *at*, those that wait longest first."""
        waiting = (_c.hospital_id == hospital_id) & _c.sent_at.is_(None) & _c.abandoned_at.is_(None)
        query = select(t.mails).where(waiting & (_c.next_try_at <= at))
        rows = await self._connection.execute(query.order_by(_c.next_try_at, _c.id).limit(limit))
        return [_mail(row) for row in rows]

    async def waiting(self, hospital_id: HospitalId) -> int:
        """Return how many mails have neither left nor been given up."""
        waiting = (_c.hospital_id == hospital_id) & _c.sent_at.is_(None) & _c.abandoned_at.is_(None)
        query = select(func.count()).select_from(t.mails).where(waiting)
        return int((await self._connection.execute(query)).scalar_one())

    async def of_person(self, hospital_id: HospitalId, person_id: PersonId, limit: int) -> Sequence[Mail]:
        """Return at most *limit* of the person's mails, newest first."""
        where = (_c.hospital_id == hospital_id) & (_c.person_id == person_id)
        query = select(t.mails).where(where).order_by(_c.queued_at.desc(), _c.id).limit(limit)
        return [_mail(row) for row in await self._connection.execute(query)]

    async def claim(self, mail: Mail, next_try_at: datetime) -> bool:
        """Count one more try of *mail*, the next not before *next_try_at*; False where another process took it."""
        where = (
            (_c.hospital_id == mail.hospital_id)
            & (_c.id == mail.id)
            & (_c.tries == mail.tries)
            & _c.sent_at.is_(None)
            & _c.abandoned_at.is_(None)
        )
        values = {"tries": mail.tries + 1, "next_try_at": next_try_at}
        return (await self._connection.execute(update(t.mails).where(where).values(values))).rowcount == 1

    async def left(self, hospital_id: HospitalId, mail_id: str, at: datetime) -> None:
        """Note that the mail has left at *at*, and forget its link."""
        values = {"sent_at": at, "sealed": None, "fault": None}
        await self._update(hospital_id, mail_id, values)

    async def failed(self, hospital_id: HospitalId, mail_id: str, fault: str) -> None:
        """Note why a try failed."""
        await self._update(hospital_id, mail_id, {"fault": fault})

    async def abandon(self, hospital_id: HospitalId, mail_id: str, at: datetime) -> None:
        """Give up at *at*, and forget the link."""
        await self._update(hospital_id, mail_id, {"abandoned_at": at, "sealed": None})

    async def _update(self, hospital_id: HospitalId, mail_id: str, values: dict[str, Any]) -> None:
        where = (_c.hospital_id == hospital_id) & (_c.id == mail_id)
        await self._connection.execute(update(t.mails).where(where).values(values))


def _mail(row: Row[Any]) -> Mail:
    return mapping.read(Mail, row, kind=MailKind(row.kind))
