"""What an evidence package is about: which sessions, what keeps some of them out, and what nobody holds yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from admin_api.deps import Context
from admin_api.retention.plan import recorded
from policy.domain.holds import holding
from policy.errors import Conflict, InvalidInput, NotFound
from policy.services.tokens import Principal
from recorder.errors import TraceNotFound
from recorder.store.catalog import CatalogedSession, SessionFilters
from recorder.store.headers import NAMELESS

MOST: Final = 200
"""Sessions of one package: a reader, and a judge, must be able to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for: sessions by their ids, or a person's (by id) opened in ``[since, until)``, aware UTC."""

    sessions: tuple[str, ...] = ()
    person_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a package will hold, the oldest session first.

    ``running`` are sessions that are not over and stay out; ``purged`` when which was purged, by session; ``unheld``
    those that no legal hold keeps and that a purge could still take.
    """

    asked: Asked
    sessions: tuple[CatalogedSession, ...]
    running: tuple[CatalogedSession, ...]
    purged: Mapping[str, datetime]
    unheld: frozenset[str]

    @property
    def ids(self) -> list[str]:
        """The identifiers of the sessions."""
        return [one.header.session_id for one in self.sessions]

    @property
    def size(self) -> int:
        """Bytes of the traces that are there: about what the package weighs."""
        there = (one for one in self.sessions if one.header.session_id not in self.purged)
        return sum(one.closing.size for one in there if one.closing is not None)


async def scope(context: Context, who: Principal, asked: Asked) -> Scope:
    """Return what a package of what is *asked* for will hold.

    Raises NotFound for a session that nobody knows, Conflict where a named one is not over, InvalidInput where nothing
    or too much is asked for, PolicyUnavailable, SQLAlchemyError.
    """
    if bool(asked.sessions) == (asked.person_id is not None):
        raise InvalidInput("session", "name sessions, or a person and a period: one of both")
    if asked.person_id is not None and (asked.since is None or asked.until is None):
        raise InvalidInput("from", "say from when to when: a person's evidence is of a period")
    found = await (_named(context, who, asked) if asked.sessions else _of_person(context, who, asked))
    over = tuple(
        sorted((one for one in found if one.closing is not None), key=lambda one: one.header.started_at)
    )
    if not over:
        raise InvalidInput("from", "no session that is over was found there")
    purged = await context.keeper.shelf.purged_at([one.header.session_id for one in over])
    return Scope(
        asked=asked,
        sessions=over,
        running=tuple(one for one in found if one.closing is None),
        purged=purged,
        unheld=await _unheld(context, who, over) - purged.keys(),
    )


async def _named(context: Context, who: Principal, asked: Asked) -> list[CatalogedSession]:
    if len(set(asked.sessions)) > MOST:
        raise InvalidInput("session", _too_many())
    found: list[CatalogedSession] = []
    for session_id in dict.fromkeys(asked.sessions):
        try:
            one = await context.catalog.session(who.hospital_id, session_id)
        except TraceNotFound as missing:
            raise NotFound("trace", session_id) from missing
        if one.closing is None:
            raise Conflict("the session is not over: its trace is still with the gateway")
        found.append(one)
    return found


async def _of_person(context: Context, who: Principal, asked: Asked) -> list[CatalogedSession]:
    filters = SessionFilters(
        hospital_id=who.hospital_id, person_id=asked.person_id, since=asked.since, until=asked.until
    )
    found = await context.catalog.sessions(filters, limit=MOST + 1)
    if len(found.sessions) > MOST:
        raise InvalidInput("to", _too_many())
    # what cannot be asked for by its name has neither trace nor proof to give
    return [one for one in found.sessions if not one.header.session_id.startswith(NAMELESS)]


def _too_many() -> str:
    return "these are more than 200 sessions: ask for a shorter period, or make several packages"


async def _unheld(context: Context, who: Principal, sessions: Sequence[CatalogedSession]) -> frozenset[str]:
    holds = await context.services.holds.standing(who.hospital_id)
    now = context.clock.now()
    return frozenset(one.header.session_id for one in sessions if not holding(holds, recorded(one), now))
