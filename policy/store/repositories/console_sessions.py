"""Sessions of the console, known by the hash of their bearer's secret, and what is read in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from policy.domain.console_sessions import ConsoleSession, Reading
from policy.domain.ids import HospitalId, PersonId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_s, _r = t.console_sessions.c, t.console_readings.c


class ConsoleSessions(Repository):
    """Tables ``console_sessions`` and ``console_readings``."""

    async def insert(self, session: ConsoleSession, token_hash: str) -> None:
        """Add a session under the SHA-256 (hexadecimal) of its bearer's secret."""
        row = mapping.columns(session, token_hash=token_hash)
        await self._connection.execute(insert(t.console_sessions).values(row))

    async def by_hash(self, hospital_id: HospitalId, token_hash: str) -> ConsoleSession | None:
        """Return the session of that secret, None where there is none in this hospital."""
        where = (_s.hospital_id == hospital_id) & (_s.token_hash == token_hash)
        row = (await self._connection.execute(select(t.console_sessions).where(where))).first()
        return None if row is None else _session(row)

    async def seen(self, hospital_id: HospitalId, session_id: str, at: datetime) -> None:
        """Note that something was asked in the session at *at*."""
        where = (_s.hospital_id == hospital_id) & (_s.id == session_id)
        await self._connection.execute(update(t.console_sessions).where(where).values(seen_at=at))

    async def proved(self, hospital_id: HospitalId, session_id: str, at: datetime) -> None:
        """Note that a code was given in the session at *at*."""
        where = (_s.hospital_id == hospital_id) & (_s.id == session_id)
        await self._connection.execute(update(t.console_sessions).where(where).values(proved_at=at))

    async def end(self, hospital_id: HospitalId, session_id: str) -> None:
        """Forget one session and what may be read in it."""
        await self._connection.execute(
            delete(t.console_readings).where(
                (_r.hospital_id == hospital_id) & (_r.console_session_id == session_id)
            )
        )
        where = (_s.hospital_id == hospital_id) & (_s.id == session_id)
        await self._connection.execute(delete(t.console_sessions).where(where))

    async def end_all(self, hospital_id: HospitalId, person_id: PersonId) -> None:
        """Forget every session of the person."""
        await self._forget(hospital_id, (_s.person_id == person_id))

    async def make_room(self, hospital_id: HospitalId, person_id: PersonId, at: datetime, limit: int) -> None:
        """Forget the person's sessions that are over at *at*, and the oldest ones beyond *limit*."""
        mine = (_s.hospital_id == hospital_id) & (_s.person_id == person_id) & (_s.expires_at > at)
        newest = select(_s.id).where(mine).order_by(_s.started_at.desc(), _s.id).limit(limit)
        kept = list((await self._connection.execute(newest)).scalars())
        await self._forget(hospital_id, (_s.person_id == person_id) & _s.id.not_in(kept))

    async def read(self, reading: Reading) -> None:
        """Let a trace be read in a session, for the reason given last."""
        where = (
            (_r.hospital_id == reading.hospital_id)
            & (_r.console_session_id == reading.console_session_id)
            & (_r.trace_id == reading.trace_id)
        )
        await self._connection.execute(delete(t.console_readings).where(where))
        await self._connection.execute(insert(t.console_readings).values(mapping.columns(reading)))

    async def reading(
        self, hospital_id: HospitalId, console_session_id: str, trace_id: str
    ) -> Reading | None:
        """Return what lets that trace be read in that session, None where nothing does."""
        where = (
            (_r.hospital_id == hospital_id)
            & (_r.console_session_id == console_session_id)
            & (_r.trace_id == trace_id)
        )
        row = (await self._connection.execute(select(t.console_readings).where(where))).first()
        return None if row is None else mapping.read(Reading, row)

    async def _forget(self, hospital_id: HospitalId, which: Any) -> None:
        where = (_s.hospital_id == hospital_id) & which
        gone = select(_s.id).where(where)
        readings = (_r.hospital_id == hospital_id) & _r.console_session_id.in_(gone)
        await self._connection.execute(delete(t.console_readings).where(readings))
        await self._connection.execute(delete(t.console_sessions).where(where))


def _session(row: Row[Any]) -> ConsoleSession:
    return mapping.read(ConsoleSession, row)
