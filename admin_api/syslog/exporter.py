"""Sends the journal to the collector, entry by entry: what is in doubt where something breaks is one entry at most."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin_api.syslog.errors import ExportError
from admin_api.syslog.message import MessageMaker
from admin_api.syslog.payload import Names
from admin_api.syslog.relp import RelpSender
from admin_api.syslog.senders import Sender, StreamSender, dial, trust
from admin_api.syslog.settings import SyslogSettings, SyslogTransport
from policy.clock import Clock
from policy.domain.alarms import Bookmark
from policy.domain.ids import HospitalId
from policy.errors import Conflict, PolicyUnavailable
from policy.services import Services
from recorder.audit.feed import Fed, JournalFeed, Look, Position

log = structlog.get_logger()

READER: Final = "syslog"
"""The name of the bookmarks that the export moves."""
BATCH: Final = 64
"""Entries that are read at a time."""
LEAD: Final = timedelta(days=1)
EVERYTHING: Final = timedelta(days=365 * 100)
_LOOKED_AT: Final = 200
LEASE: Final = timedelta(seconds=30)
"""How long one console alone sends; it renews that before an entry whose answer could come later."""
LAST_WORD_SECONDS: Final = 2.0
"""How long a console that is told to stop waits for the answer to what it has just sent."""
NAMES_EVERY: Final = timedelta(minutes=1)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
Raise = Callable[[str, dict[str, Any]], None]
Open = Callable[[], Awaitable[Sender]]


async def open_sender(settings: SyslogSettings, context: ssl.SSLContext) -> Sender:
    """Connect to the collector. Raises ExportError."""
    reader, writer = await dial(settings, context)
    if settings.transport is SyslogTransport.TLS:
        return StreamSender(reader, writer, settings)
    return await RelpSender.begin(reader, writer, settings)


class JournalExport:
    """One task of the console. Several consoles may run: one of them sends, and another takes over when it is gone."""

    def __init__(
        self,
        services: Services,
        feed: JournalFeed,
        hospital_id: HospitalId,
        settings: SyslogSettings,
        clock: Clock,
        holder: str,
        raise_: Raise,
        *,
        connect: Open | None = None,
        interval: float = 1.0,
    ) -> None:
        """Send what *feed* gives by *settings*, as *holder*; raises OSError, ssl.SSLError for unusable files."""
        self._services = services
        self._feed = feed
        self._hospital_id = hospital_id
        self._settings = settings
        self._clock = clock
        self._holder = holder
        self._raise = raise_
        self._maker = MessageMaker(settings)
        context = trust(settings)
        self._connect = connect or (lambda: open_sender(settings, context))
        self._interval = interval
        self._since: datetime | None = None
        self._held_until: datetime | None = None
        self._sender: Sender | None = None
        self._names: tuple[datetime, Names] | None = None
        self._fault = ""
        self._late = False

    async def run(self) -> None:
        """Send until cancelled. What fails is tried again, after a pause that grows."""
        pause = _FIRST_PAUSE
        try:
            while True:
                try:
                    while await self.step():
                        pass
                except (ExportError, PolicyUnavailable, Conflict, SQLAlchemyError) as error:
                    await self._failed(error)
                    await self._look_at_lag()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                self._fault, pause = "", _FIRST_PAUSE
                await self._look_at_lag()
                await asyncio.sleep(self._interval)
        finally:
            await self.close()

    async def step(self) -> int:
        """Send what one look at the journal shows, and return how many entries were read; 0 where another console sends.

        Raises ExportError, PolicyUnavailable, Conflict, SQLAlchemyError; what was acknowledged before is noted.
        """
        if self._since is None:
            lead = EVERYTHING if self._settings.whole else LEAD
            self._since = await self._services.bookmarks.begin(self._hospital_id, READER, lead)
        if not await self._hold():
            return 0
        known = await self._services.bookmarks.get(self._hospital_id, READER)
        look = await self._feed.look(
            {writer: Position(at.seq, at.digest) for writer, at in known.items()}, limit=BATCH
        )
        await self._send(look, dict(known))
        return len(look.fed)

    async def close(self) -> None:
        """End the connection, if there is one."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    async def _send(self, look: Look, known: dict[str, Bookmark]) -> None:
        """Send *look* entry by entry, and note each before the next; what is too old to be told is noted with it."""
        moved: dict[str, Bookmark] = {}
        for fed in look.fed:
            moved[fed.writer] = Bookmark(fed.position.seq, fed.position.digest)
            if not self._is_told(fed):
                continue
            message = self._message(fed, await self._known_names())
            if self._sender is None:
                self._sender = await self._connect()
            if not await self._hold():
                return
            await _to_its_end(self._deliver(self._sender, message, known, moved))
            moved = {}
        await self._note(known, moved)

    async def _deliver(
        self, sender: Sender, message: bytes, known: dict[str, Bookmark], moved: Mapping[str, Bookmark]
    ) -> None:
        await sender.deliver(message)
        await self._note(known, moved)

    async def _note(self, known: dict[str, Bookmark], moved: Mapping[str, Bookmark]) -> None:
        if moved:
            await self._services.bookmarks.move(self._hospital_id, READER, known, moved)
            known.update(moved)

    async def _hold(self) -> bool:
        """Tell whether this console alone may send until the answer to what it sends next."""
        now = self._clock.now()
        if (
            self._held_until is None
            or now + timedelta(seconds=self._settings.answer_seconds) > self._held_until
        ):
            mine = await self._services.bookmarks.hold(self._hospital_id, READER, self._holder, LEASE)
            self._held_until = now + LEASE if mine else None
        return self._held_until is not None

    def _is_told(self, fed: Fed) -> bool:
        since = self._since
        return fed.entry is None or since is None or fed.entry.event.at >= since

    def _message(self, fed: Fed, names: Names) -> bytes:
        return self._maker.of(fed, self._hospital_id, self._clock.now().isoformat(), names)

    async def _known_names(self) -> Names:
        now = self._clock.now()
        if self._names is None or now - self._names[0] > NAMES_EVERY:
            known = await self._services.names.known(self._hospital_id)
            self._names = (now, Names(known.people, known.devices))
        return self._names[1]

    async def _failed(self, error: Exception) -> None:
        self._fault = str(error) if isinstance(error, ExportError) else type(error).__name__
        log.warning("export.failed", kind=type(error).__name__, error=self._fault)
        await self.close()

    async def _look_at_lag(self) -> None:
        """Raise the alarm of an export that is late, and say when it has caught up."""
        try:
            waiting, oldest = await lag(self._services, self._feed, self._hospital_id)
        except (PolicyUnavailable, SQLAlchemyError):
            return  # told by other alarms
        age = timedelta(0) if oldest is None else self._clock.now() - oldest
        if age > self._settings.late and not self._late:
            facts = {"entries": waiting, "seconds": int(age.total_seconds()), "detail": self._fault[:200]}
            self._raise("alarm.export_late", facts)
        elif not waiting and self._late:
            self._raise("alarm.export_caught_up", {})
        self._late = age > self._settings.late or (self._late and waiting > 0)


async def lag(services: Services, feed: JournalFeed, hospital_id: HospitalId) -> tuple[int, datetime | None]:
    """Return how many entries wait for the collector, and since when the oldest of the next ones does.

    Raises PolicyUnavailable, SQLAlchemyError.
    """
    known = {
        writer: Position(at.seq, at.digest)
        for writer, at in (await services.bookmarks.get(hospital_id, READER)).items()
    }
    waiting = await feed.behind(known)
    if not waiting:
        return 0, None
    look = await feed.look(known, limit=_LOOKED_AT)
    return waiting, min((fed.entry.event.at for fed in look.fed if fed.entry is not None), default=None)


async def _to_its_end(sending: Coroutine[Any, Any, None]) -> None:
    """Await *sending*; who is told to stop meanwhile waits a little: an answer that came unheard would double it."""
    task = asyncio.create_task(sending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=LAST_WORD_SECONDS)
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
