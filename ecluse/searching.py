"""The console's search: put together from the settings."""

from collections.abc import Sequence

from ecluse.settings import Settings
from policy.clock import Clock
from policy.services import Services
from recorder.ports import TraceStore
from recorder.seal.wrapping import ReaderKey
from recorder.search.indexer import Indexer
from recorder.search.rendering import Bounds
from recorder.store.database import Database


def search_of(
    settings: Settings, built: Services, database: Database, store: TraceStore, clock: Clock
) -> Indexer | None:
    """Return the search of the settings, None where they turn it off. Raises ReaderKeyUnusable."""
    chosen = settings.search
    if not chosen.enabled:
        return None
    keys = tuple(ReaderKey.load(path) for path in settings.reader_keys)

    async def hospitals() -> Sequence[str]:
        async with built.database.read() as view:
            return [hospital.id for hospital in await view.hospitals.list()]

    return Indexer(
        database,
        settings.search_folder,
        hospitals=hospitals,
        store=store,
        keys=lambda: keys,
        now=clock.now,
        bounds=Bounds(cpu_seconds=chosen.cpu_seconds, memory_mib=chosen.memory_mib, text_mib=chosen.text_mib),
    )
