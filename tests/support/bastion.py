"""The whole gateway in this process: fixture hospital, recorder, journal, and a real sshd as the device."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from ecluse.alarms import JournalAlarms
from ecluse.demo.device import DemoDevice
from gateway.server.listener import Gateway
from gateway.settings import GatewaySettings
from policy.clock import ManualClock, SystemClock
from policy.domain.devices import AccountMethod
from policy.vault.secret import Secret
from recorder.audit.entries import JournalEntry
from recorder.audit.journal import Journal, JournalFilters
from recorder.capture.spool import Recorder
from recorder.replay.reader import TraceReader
from recorder.seal.signing import PublicKey
from recorder.trace.frames import Frame, FrameType
from recorder.trace.header import TraceHeader
from tests.support.policy_databases import own_world
from tests.support.policy_world import World, make_world
from tests.support.ssh_client import SshClient, Terminal
from tests.support.traces import prepare, stored
from tests.support.waiting import answered, eventually

NOON = datetime(2026, 3, 17, 11, 0, tzinfo=UTC)
NODE = "node1"


@dataclass(kw_only=True)
class Bastion:
    """A running gateway and everything around it. The clock stands still until it is moved."""

    clock: ManualClock
    world: World
    device: DemoDevice
    recorder: Recorder
    journal: Journal
    gateway: Gateway
    client: SshClient
    public_key: PublicKey
    directory: Path
    host_authority: str
    """The public line of the CA that signs what the gateway shows under each name."""

    def answers(self, login: str = "alice") -> list[str]:
        """Return the password and a code that was not used yet (the clock moves to the next time step)."""
        self.clock.advance(timedelta(seconds=30))
        return [self.world.passwords[login].reveal(), self.world.code(login)]

    def code(self, login: str = "alice") -> list[str]:
        """Return a fresh code alone, for who proved a key."""
        return self.answers(login)[1:]

    async def events(self, name: str | None = None) -> list[JournalEntry]:
        """Return the journal's entries, oldest first; those of *name* and below if it is given."""
        page = await self.journal.entries(JournalFilters(hospital_id=self.world.id, name=name))
        return list(page.entries)

    async def written(self, name: str, count: int = 1) -> list[JournalEntry]:
        """Wait until the journal holds *count* entries of *name*, and return all; alarms and refusals come behind their cause."""

        async def enough() -> list[JournalEntry] | None:
            found = await self.events(name)
            return found if len(found) >= count else None

        return await answered(enough)

    def sessions(self) -> list[str]:
        """Return the ids of the closed traces."""
        return list(self.recorder.store.sessions(self.world.id))

    async def frames(self, session_id: str | None = None) -> list[Frame]:
        """Return the frames of a closed trace, of the only one if no id is given; waits for its close."""
        if session_id is None:
            await eventually(lambda: len(self.sessions()) == 1)
            session_id = self.sessions()[0]
        folder = stored(self.recorder, self.world.id, session_id)
        with TraceReader(folder) as reader:
            return list(reader.frames())

    def header(self, session_id: str | None = None) -> TraceHeader:
        """Return the header of a closed trace, of the only one if no id is given."""
        [found] = [session_id] if session_id is not None else self.sessions()
        with TraceReader(stored(self.recorder, self.world.id, found)) as reader:
            return reader.header

    async def closed(self) -> None:
        """Wait until no session is left."""
        await eventually(lambda: self.gateway.sessions == 0)

    @asynccontextmanager
    async def shell(self) -> AsyncIterator[Terminal]:
        """Alice's shell on the device, at its prompt."""
        command = self.client.command("alice+scan01", options=["-tt"])
        async with self.client.terminal(command, answers=self.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            yield terminal

    async def work(self, terminal: Terminal, until: datetime) -> None:
        """Let the clock come to *until* while she types: the next key has always come before she would count as idle."""
        while (now := self.clock.now()) < until:
            self.clock.set(min(until, now + timedelta(minutes=8)))
            terminal.send(b"echo at-$((40+2))\n")
            await terminal.expect(b"at-42")

    async def restart_gateway(self, **settings: Any) -> None:
        """Stop the gateway and start another with changed *settings*, on the same port."""
        port = self.gateway.port
        old = self.gateway
        await old.stop()
        self.gateway = make_gateway(self, replace(old.settings, port=port, **settings))
        await self.gateway.start()


def make_gateway(
    bastion: Bastion, settings: GatewaySettings, monotonic: Callable[[], float] | None = None
) -> Gateway:
    """Make a gateway over the parts of *bastion*, whose idle time follows the manual clock."""
    clock = bastion.clock
    return Gateway(
        settings,
        bastion.world.services,
        bastion.recorder,
        bastion.journal,
        clock,
        monotonic=monotonic or (lambda: clock.now().timestamp()),
        wall=SystemClock(),  # stock clients judge its certificates by the machine's clock
    )


def output(frames: list[Frame], kind: FrameType = FrameType.OUTPUT) -> bytes:
    """Return the payloads of all frames of one raw kind, joined."""
    return b"".join(frame.payload for frame in frames if frame.type is kind)


@asynccontextmanager
async def running_bastion(
    directory: Path,
    *,
    by_key: bool = False,
    sshd_config: str = "",
    device_uid: int | None = None,
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128"),
    recorder_settings: dict[str, Any] | None = None,
    world_settings: dict[str, Any] | None = None,
    database_url: str | None = None,
    **gateway_settings: Any,
) -> AsyncIterator[Bastion]:
    """Start everything in *directory* and stop it at the end, the device with its processes last.

    *device_uid* is the device's account's own user number, for root; *world_settings* go to ``make_world``.
    *database_url*: an empty database for policy, instead of SQLite.
    """
    clock = ManualClock(NOON)
    directory.mkdir(parents=True, exist_ok=True)
    device = await DemoDevice.start(directory / "scan01", "scan01", extra_config=sshd_config, uid=device_uid)
    secret = device.account.private_key if by_key else device.account.password
    traits = {"networks": networks, **(world_settings or {})}
    if database_url is None:
        world = await own_world(directory, clock, **traits)
    else:
        world = await make_world(database_url, clock, keyring_directory=directory / "keyring", **traits)
    method = AccountMethod.KEY if by_key else AccountMethod.PASSWORD
    await world.stand_at(device.host, device.port, device.host_key_public, method, Secret(secret or ""))
    made = await prepare(directory / "traces", **(recorder_settings or {}))
    alarms = JournalAlarms(world.id, clock.now)
    recorder = Recorder(made, node=NODE, now=clock.now, on_alarm=alarms)
    await recorder.start()
    journal = alarms.journal = Journal(recorder.database, node=NODE, now=clock.now)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    host_key_file = directory / "gateway_host_key"
    host_key.write_private_key(host_key_file)
    host_authority = asyncssh.generate_private_key("ssh-ed25519")
    host_authority.write_private_key(directory / "host_authority")
    settings = GatewaySettings(
        **{
            "host_keys": (host_key_file,),
            "hospital_id": world.id,
            "node": NODE,
            "host": "127.0.0.1",
            "port": 0,
            "poll_seconds": 0.2,
            "host_authority": directory / "host_authority",
            "names": ("127.0.0.1",),
            **gateway_settings,
        }
    )
    gateway = Gateway(
        settings,
        world.services,
        recorder,
        journal,
        clock,
        monotonic=lambda: clock.now().timestamp(),
        wall=SystemClock(),
    )
    await gateway.start()
    public = host_key.export_public_key().decode().strip()
    bastion = Bastion(
        clock=clock,
        world=world,
        device=device,
        recorder=recorder,
        journal=journal,
        gateway=gateway,
        client=SshClient(settings.host, gateway.port, public, directory),
        public_key=PublicKey.load(made.signing_key_path.with_name("signing.pem.pub")),
        directory=directory,
        host_authority=host_authority.export_public_key().decode().strip(),
    )
    try:
        yield bastion
    finally:
        await bastion.gateway.stop()
        await alarms.close()
        await recorder.stop()
        await world.close()
        await device.stop()


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path) as running:
        yield running
