"""How far the journal was read, for the parts of the console that read it on."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from policy.domain.alarms import Bookmark
from policy.domain.ids import HospitalId
from policy.errors import Conflict
from policy.services.service import Service


class BookmarkService(Service):
    """Bookmarks by reader: kept in policy's database, so that whoever rewrites the journal does not move them too."""

    async def begin(self, hospital_id: HospitalId, reader: str, lead: timedelta) -> datetime:
        """Return from which instant on *reader* takes entries to heart; for a new one: *lead* before now."""
        async with self._database.unit_of_work(None, self._clock) as work:
            since = await work.bookmarks.since(hospital_id, reader)
            if since is None:
                since = self._clock.now() - lead
                await work.bookmarks.begin(hospital_id, reader, since)
        return since

    async def get(self, hospital_id: HospitalId, reader: str) -> Mapping[str, Bookmark]:
        """Return how far *reader* has read, by writer."""
        async with self._database.read() as view:
            return await view.bookmarks.get(hospital_id, reader)

    async def hold(self, hospital_id: HospitalId, reader: str, holder: str, period: timedelta) -> bool:
        """Let *holder* alone read for *reader* for *period* from now; False where another process does."""
        at = self._clock.now()
        async with self._database.unit_of_work(None, self._clock) as work:
            return await work.bookmarks.hold(hospital_id, reader, holder, at, at + period)

    async def move(
        self,
        hospital_id: HospitalId,
        reader: str,
        known: Mapping[str, Bookmark],
        moved: Mapping[str, Bookmark],
    ) -> None:
        """Move the bookmarks of *moved* on from where they were *known* to be; raises Conflict where they were not."""
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.bookmarks.lock(hospital_id, reader)
            present = await work.bookmarks.get(hospital_id, reader, list(moved))
            if any(present.get(writer) != known.get(writer) for writer in moved):
                raise Conflict("another process read the journal meanwhile")
            await work.bookmarks.put(hospital_id, reader, moved)
