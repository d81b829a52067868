"""The console's search: put together from the settings."""

from collections.abc import Sequence

import structlog

from ecluse.settings import Settings
from policy.services import Services
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.ports import TraceStore
from recorder.replay.cache import ReplayCache
from recorder.seal.ring import ReaderRing
from recorder.search.index import remove
from recorder.search.indexer import Indexer
from recorder.search.rendering import Bounds
from recorder.store.database import Database

log = structlog.get_logger()


def search_of(
    settings: Settings,
    built: Services,
    database: Database,
    store: TraceStore,
    ring: ReaderRing,
    journal: Journal,
) -> Indexer | None:
    """Return the search of the settings, None where they turn it off. It reads by the keys that *ring* has open.

    What was made for what is off now goes: nobody would take out of it what retention and erasures take.
    """
    chosen = settings.search
    replays = ReplayCache(settings.search_folder / "replay", chosen.replay_mib << 20)
    try:
        if not (chosen.enabled and chosen.replay_mib):
            replays.clear()
        if not chosen.enabled:
            remove(settings.search_folder)
    except OSError as error:
        log.exception("search.not_removed", folder=str(settings.search_folder), why=error.strerror)
    if not chosen.enabled:
        return None

    async def hospitals() -> Sequence[str]:
        return [settings.hospital_id]  # a neighbour in the same databases has an index of its own

    async def tell(hospital_id: str, name: str, session_id: str | None, facts: dict[str, object]) -> None:
        await journal.append(
            SecurityEvent(
                name=name,
                hospital_id=hospital_id,
                at=built.clock.now(),
                actor="console",
                session_id=session_id,
                details=facts,
            )
        )

    return Indexer(
        database,
        settings.search_folder,
        hospitals=hospitals,
        store=store,
        keys=ring.readers,
        now=built.clock.now,
        bounds=Bounds(cpu_seconds=chosen.cpu_seconds, memory_mib=chosen.memory_mib, text_mib=chosen.text_mib),
        tell=tell,
        replays=replays if chosen.replay_mib else None,
    )
