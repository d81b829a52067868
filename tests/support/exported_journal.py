"""A hospital's journal with several writers, and the consoles that send it to a collector."""

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin_api.syslog.exporter import JournalExport, lag
from admin_api.syslog.settings import SyslogSettings
from policy.authn.passwords import Passwords
from policy.clock import ManualClock
from policy.domain.ids import HospitalId
from policy.services import Services, build
from policy.settings import PolicySettings
from recorder.audit.events import SecurityEvent
from recorder.audit.feed import JournalFeed
from recorder.audit.journal import Journal
from recorder.store.database import Database
from tests.support.api_house import START
from tests.support.policy_world import CHEAP, World, make_world
from tests.support.schemas import trace_schema


@dataclass(frozen=True)
class Told:
    """What a console in a process of its own is told."""

    policy: PolicySettings
    traces: str
    hospital_id: HospitalId
    collector: SyslogSettings


def export_of(
    services: Services,
    feed: JournalFeed,
    told: Told,
    clock: ManualClock,
    holder: str,
    raised: list[tuple[str, dict[str, Any]]],
) -> JournalExport:
    """A console's export, as it is just after its start."""
    return JournalExport(
        services,
        feed,
        told.hospital_id,
        told.collector,
        clock,
        holder,
        lambda name, facts: raised.append((name, facts)),
        interval=0.05,
    )


class Site:
    """A hospital's journal, with several writers, and its exports."""

    def __init__(self, world: World, database: Database, traces: str, clock: ManualClock) -> None:
        """Begin empty; *traces* is the URL of *database*."""
        self.world = world
        self.traces = traces
        self.clock = clock
        self.feed = JournalFeed(database, world.id, ())
        self.writers = [Journal(database, node=f"gw-{number}", now=clock.now) for number in range(3)]
        self.raised: list[tuple[str, dict[str, Any]]] = []
        self.written: list[str] = []

    async def happen(self, count: int, **more: object) -> None:
        """Write *count* entries, by each writer in turn."""
        for number in range(count):
            event = SecurityEvent(
                name="access.denied",
                hospital_id=self.world.id,
                at=self.clock.now(),
                person_id=self.world.who("alice"),
                device_id=self.world.device.id,
                **more,  # type: ignore[arg-type]  # the test's own values
            )
            await self.writers[number % len(self.writers)].append(event)
            self.written.append(event.event_id)

    def export(self, settings: SyslogSettings, holder: str = "console") -> JournalExport:
        """A console that has just started."""
        return export_of(self.world.services, self.feed, self.told(settings), self.clock, holder, self.raised)

    async def caught_up(self) -> bool:
        """Tell whether every entry is noted as sent."""
        waiting, _ = await lag(self.world.services, self.feed, self.world.id)
        return waiting == 0

    def told(self, settings: SyslogSettings) -> Told:
        """What a console in a process of its own must be told to send this journal by *settings*."""
        return Told(self.world.services.settings, self.traces, self.world.id, settings)

    async def export_apart(self, settings: SyslogSettings, folder: Path) -> asyncio.subprocess.Process:
        """Start a console in a process of its own, that can be killed; *folder* is for what it is told."""
        path = folder / "told"
        path.write_bytes(pickle.dumps(self.told(settings)))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, str(path), cwd=Path(__file__).parents[2]
        )

    async def drain(self, settings: SyslogSettings) -> None:
        """Send everything, and hang up. Raises ExportError."""
        sending = self.export(settings)
        try:
            while await sending.step():
                pass
        finally:
            await sending.close()

    def came(self, events: list[str]) -> list[str]:
        """Those of *events* that the test wrote, in their order; writers open their chains with an entry more."""
        mine = set(self.written)
        return [one for one in events if one in mine]


@asynccontextmanager
async def journal_site(folder: Path) -> AsyncIterator[Site]:
    """Make a hospital of its own in *folder*."""
    clock = ManualClock(START)
    url = f"sqlite:///{folder}/traces.db"
    await trace_schema(url)
    database = Database(url)
    world = await make_world(f"sqlite:///{folder}/policy.db", clock, keyring_directory=folder / "keyring")
    yield Site(world, database, url, clock)
    await world.close()
    await database.dispose()


async def _run(told: Told) -> None:
    clock = ManualClock(START)
    services = await build(told.policy, clock, passwords=Passwords(CHEAP))
    feed = JournalFeed(Database(told.traces), told.hospital_id, ())
    await export_of(services, feed, told, clock, "apart", []).run()


if __name__ == "__main__":
    asyncio.run(_run(pickle.loads(Path(sys.argv[1]).read_bytes())))  # noqa: S301 - the test's own
