"""A person of the security staff begins to watch: told to the journal first, and asked again all the while."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from admin_api.deps import Context
from admin_api.evidence import attempted, note_reading
from admin_api.live.follow import Follower, Standing
from admin_api.live.patience import UNAVAILABLE, Patience
from admin_api.narration import Narrator
from policy.domain.ids import HospitalId, SessionId
from policy.domain.people import Language
from policy.domain.sessions import SessionState
from policy.errors import Conflict, NotFound, PolicyError
from policy.services.tokens import Principal
from recorder.errors import RecorderError, StoreUnavailable, TraceNotFound
from recorder.replay.live import LiveTrace
from recorder.seal.encryption import CLEAR
from recorder.seal.wrapping import LockedKey, ReaderKey, open_wraps
from recorder.store.catalog import CatalogedSession
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace

_LATE: Final = timedelta(seconds=15)
"""How long a trace may still grow after policy knows that its session ended."""


async def live_session(context: Context, who: Principal, session_id: str) -> CatalogedSession:
    """Return what the catalogue knows of a session that is open; raises NotFound, and Conflict once it is over."""
    try:
        found = await context.catalog.session(who.hospital_id, session_id)
    except TraceNotFound as missing:
        raise NotFound("session", session_id) from missing
    if found.closing is not None:
        raise Conflict("this session is over: replay it")
    return found


async def watch(
    context: Context,
    who: Principal,
    session: CatalogedSession,
    may: Standing,
    *,
    reason: str,
    language: Language,
    channel: int | None = None,
    speed: float | None = None,
) -> Follower:
    """Let *who* follow the session, as long as *may* lets her; the journal knows it first.

    Raises Conflict where too many watch, ReaderKeyLocked and TraceSealed where no key opens it, JournalBroken: then she
    sees nothing.
    """
    context.viewers.check()
    header = session.header
    async with attempted(context, who, header, reason, "live"):
        readers = await asyncio.to_thread(open_live, context, header)
    since = "now" if speed is None else "start"
    await note_reading(context, who, header, reason, "live", **{"from": since})
    hospital = await context.services.hospitals.get(who.hospital_id)
    trace = LiveTrace(context.traces, TracePlace.of(header), readers)
    teller = Narrator(language, hospital.timezone, context.vocabulary)
    ward = _Ward(context, session, may)
    return Follower(trace, teller, Patience(ward.standing).standing, channel=channel, speed=speed)


def open_live(context: Context, header: TraceHeader) -> list[ReaderKey]:
    """Return the readers' keys of now, one of which opens the trace of *header* as far as anybody can tell yet. Blocks.

    Raises ReaderKeyLocked, TraceSealed.
    """
    keys = context.reader_keys
    if header.suite != CLEAR:
        with suppress(TraceNotFound, StoreUnavailable):  # it comes later, or the store does
            wraps = context.traces.wraps(TracePlace.of(header))
            if wraps:
                open_wraps(wraps, header, keys)
    return keys


class _Ward:
    """Asks, again and again, whether there is something to watch and whether it may be."""

    def __init__(self, context: Context, session: CatalogedSession, may: Standing) -> None:
        self._context = context
        self._session = session
        self._may = may
        self._readers: frozenset[str] | None = None
        self._ended: datetime | None = None
        self._asking: asyncio.Future[str | None] | None = None

    async def standing(self) -> str | None:
        """Why the viewer must go; a question to the database goes on where she leaves, or it costs its connection."""
        self._asking = asyncio.ensure_future(self._standing())
        return await asyncio.shield(self._asking)

    async def _standing(self) -> str | None:
        try:
            why = await self._may()
            return why if why is not None else await self._there()
        except (PolicyError, RecorderError, SQLAlchemyError):
            return UNAVAILABLE

    async def _there(self) -> str | None:
        opened = await asyncio.to_thread(self._opened)
        self._readers = opened if self._readers is None else self._readers
        if not self._readers <= opened:
            return "locked"
        header = self._session.header
        try:
            known = await self._context.services.access.session(
                HospitalId(header.hospital_id), SessionId(header.session_id)
            )
        except NotFound:
            return None
        if known.state is SessionState.LOST:
            return "lost"
        if known.state is SessionState.ENDED:
            now = self._context.clock.now()
            self._ended = now if self._ended is None else self._ended
            return "lost" if now - self._ended >= _LATE else None
        return None

    def _opened(self) -> frozenset[str]:
        keys = self._context.reader_keys
        return frozenset(key.public.key_id for key in keys if not isinstance(key, LockedKey))
