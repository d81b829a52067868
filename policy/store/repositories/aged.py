"""Rows that serve nothing any more: how many there are, and their removal, some at a time."""

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import ColumnElement, Table, delete, exists, func, or_, select, tuple_

from policy.domain.ids import HospitalId
from policy.domain.retention import Cutoffs
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_NEWEST: Final = select(func.max(t.outbox.c.position)).scalar_subquery()


class Aged(Repository):
    """The old rows of every table that only grows."""

    async def count(self, hospital_id: HospitalId, old: Cutoffs) -> Mapping[str, int]:
        """Return by table how many rows of the hospital are *old*; tables without any are left out."""
        found = {}
        for table, where in _rules(old):
            query = (
                select(func.count()).select_from(table).where((table.c.hospital_id == hospital_id) & where)
            )
            found[table.name] = (await self._connection.execute(query)).scalar_one()
        return {name: count for name, count in found.items() if count}

    async def remove(self, hospital_id: HospitalId, old: Cutoffs, limit: int) -> Mapping[str, int]:
        """Remove at most *limit* old rows of each table, and return how many of each; tables without any are left out."""
        removed = {}
        for table, where in _rules(old):
            key = tuple_(*table.primary_key.columns)
            some = select(*table.primary_key.columns).where((table.c.hospital_id == hospital_id) & where)
            done = await self._connection.execute(delete(table).where(key.in_(some.limit(limit))))
            removed[table.name] = done.rowcount
        return {name: count for name, count in removed.items() if count}


def _rules(old: Cutoffs) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Give each table with what is old in it; a table that points to another comes before it."""
    yield t.attempts, t.attempts.c.at < old.attempts
    yield t.continuations, t.continuations.c.until < old.attempts
    yield t.totp_uses, t.totp_uses.c.step < old.code_step
    yield t.sessions, t.sessions.c.closed_at < old.sessions
    yield t.tasks, t.tasks.c.finished_at < old.tasks
    yield t.tokens, or_(t.tokens.c.expires_at < old.bearers, t.tokens.c.revoked_at < old.bearers)
    yield t.visits, t.visits.c.expires_at < old.bearers
    left = select(t.console_sessions.c.id).where(t.console_sessions.c.expires_at < old.bearers)
    yield t.console_readings, t.console_readings.c.console_session_id.in_(left)
    yield t.console_sessions, t.console_sessions.c.expires_at < old.bearers
    yield t.mails, or_(t.mails.c.sent_at < old.bearers, t.mails.c.abandoned_at < old.bearers)
    yield (
        t.alarm_calls,
        or_(t.alarm_calls.c.delivered_at < old.bearers, t.alarm_calls.c.abandoned_at < old.bearers),
    )
    visited = exists().where(
        (t.visits.c.hospital_id == t.invitations.c.hospital_id)
        & (t.visits.c.invitation_hash == t.invitations.c.token_hash)
    )
    # who invited whom still counts for four eyes, however the invitation ended
    over = or_(t.invitations.c.used_at < old.invitations, t.invitations.c.expires_at < old.invitations)
    yield t.invitations, over & (t.invitations.c.issued_at < old.invitations) & ~visited
    # the newest row stays whatever its age: it says where the next one goes, and where a new reader begins
    read = (t.outbox.c.at < old.outbox) & (t.outbox.c.position <= old.journalled)
    yield t.outbox, read & (t.outbox.c.position < _NEWEST)
