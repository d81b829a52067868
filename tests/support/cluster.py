"""A grown-up installation: two gateways and a console, each a process, on one PostgreSQL and one bucket, behind HAProxy."""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import text

from ecluse import database_roles, grants
from ecluse.client import ApiClient
from ecluse.demo.device import DemoDevice
from ecluse.demo.ports import free_port
from ecluse.demo.processes import with_us
from ecluse.presence import port_of
from ecluse.profile import Profile
from ecluse.settings import load
from policy.clock import SystemClock
from policy.domain.people import Role
from policy.vault.secret import Secret
from tests.support import postgres, s3
from tests.support.cut_line import Line
from tests.support.installed import change, ecluse, install
from tests.support.policy_world import World, make_world
from tests.support.ssh_client import SshClient
from tests.support.stranger import PROGRAM
from tests.support.waiting import eventually

HAPROXY = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
NODES = ("node1", "node2")
TECHNICIANS = ("ada", "basile", "chloe", "diane", "elise", "fanny", "gaspard", "hugo")
_STEP = timedelta(seconds=30)


class Cluster:
    """Everything that runs. Made by ``cluster``; ``line`` leads from the gateways to the device."""

    def __init__(self, folder: Path, server: postgres.Postgres, people: Sequence[str]) -> None:
        """Build it in *folder*, its databases on *server*, which is its own, for the technicians *people*."""
        self.folder = folder
        self.server = server
        self.url = server.url(server.create())
        self.world: World
        self.device: DemoDevice
        self.line: Line
        self.port = free_port()
        self.people = people
        self._given: set[str] = set()
        self._programs: dict[str, asyncio.subprocess.Process] = {}

    def config(self, node: str = NODES[0]) -> Path:
        """Return the settings of a gateway; the console's are those of the first."""
        return self.folder / node / "ecluse.toml"

    def pid(self, name: str) -> int:
        """Return the process of ``node1``, ``node2``, ``console`` or ``haproxy``."""
        return self._programs[name].pid

    def runs(self, name: str) -> bool:
        """Tell whether that process runs."""
        return self._programs[name].returncode is None

    async def start(self, name: str) -> None:
        """Start that process, and wait until it serves."""
        kind = "console" if name == "console" else "gateway"
        config = self.config(name if name in NODES else NODES[0])
        await self._run(name, *PROGRAM, kind, "--config", str(config))
        await eventually(lambda: port_of(config.parent / "run", kind) is not None)

    async def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._programs[name] = await asyncio.create_subprocess_exec(
                *with_us(),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def kill(self, name: str) -> None:
        """End that process as ``kill -9`` does."""
        self._programs[name].kill()
        await self._programs[name].wait()

    async def build(self, line_port: int) -> None:
        """Make the installation, whose device is behind *line_port*, and start everything."""
        first = self.config().parent
        config = await asyncio.to_thread(install, first)
        made = load(config)
        self.world = await make_world(
            self.url,
            SystemClock(),
            keyring_directory=made.keyring,
            address="127.0.0.1",
            port=line_port,
            host_key=self.device.host_key_public,
            secret=Secret(self.device.account.password or ""),
        )
        world = self.world
        for login in self.people:
            await self._hire(login)
        await world.add_window(people=self.people)
        config.write_text(config.read_text().replace(made.hospital_id, world.id))
        self._write_settings(config)
        await asyncio.to_thread(self.make_databases, config, self.url)
        done = await asyncio.to_thread(
            ecluse, "nodes", "new", NODES[1], str(self.folder / NODES[1]), "--config", str(config)
        )
        assert done.exit_code == 0, done.output
        change(self.config(NODES[1]), "gateway", f"port = {free_port()}")
        await asyncio.gather(*(self.start(name) for name in (*NODES, "console")))
        await self._balance()

    async def _hire(self, login: str) -> None:
        world = self.world
        people, dsi = world.services.people, world.who("dsi")
        world.people[login] = await people.create(
            dsi,
            world.id,
            login=login,
            full_name=f"{login.title()} Petit",
            email=f"{login}.petit@imagix.example",
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=world.supplier.id,
        )
        await world.enrol(await people.invite(dsi, world.id, world.who(login)))

    def _write_settings(self, config: Path) -> None:
        users = ('gateway_user = "ecluse_gateway"', 'console_user = "ecluse_console"')
        for section in ("policy_database", "trace_database"):
            for line in (f'url = "{self.url}"', *users):
                change(config, section, line)
        server = s3.own()
        change(config, "store", f'bucket = "{s3.BUCKET}"')
        change(config, "store", f'endpoint = "{server.endpoint}"')
        for name, told in (("credentials", server.gateway), ("console_credentials", server.console)):
            path = config.parent / "keys" / name
            path.write_text(
                f"[default]\naws_access_key_id={told.access_key}\naws_secret_access_key={told.secret_key}\n"
            )
            path.chmod(0o600)
            change(config, "store", f'{name} = "keys/{name}"')
        change(config, "gateway", 'proxy_sources = ["127.0.0.1"]')

    def make_databases(self, config: Path, url: str) -> None:
        """Give the processes' users what they need in the database at *url*, which the settings in *config* name."""
        script = self.folder / "roles.sql"
        script.write_text(grants.script())
        psql = ["psql", "-X", "-q", "-d", url, "-f", str(script)]
        subprocess.run(psql, check=True, capture_output=True)
        done = ecluse("db", "migrate", "--config", str(config))
        assert done.exit_code == 0, done.output

    async def _balance(self) -> None:
        """Start HAProxy by the file that operators are given, with the addresses of here."""
        told = HAPROXY.read_text().replace("0.0.0.0:2222", f"127.0.0.1:{self.port}")
        # a gateway that waits for a processor is not taken out of the balance: who is killed refuses, and is
        told = told.replace("timeout connect 2s", "timeout connect 2s\n    timeout check 30s")
        for number, node in enumerate(NODES, 1):
            port = load(self.config(node)).gateway.port
            told, changed = re.subn(rf"(server gateway{number}) \S+", rf"\1 127.0.0.1:{port}", told)
            assert changed == 1
        path = self.folder / "haproxy.cfg"
        path.write_text(told)
        await self._run("haproxy", str(program()), "-db", "-f", str(path))
        await eventually(lambda: _listens(self.port))

    @cached_property
    def client(self) -> SshClient:
        """A technician's ssh, which knows the one host key that both gateways have."""
        folder = self.folder / "client"
        folder.mkdir()
        key = (self.config().parent / "keys/host_ed25519.pub").read_text().strip()
        return SshClient("127.0.0.1", self.port, key, folder)

    async def someone(self) -> tuple[str, list[str]]:
        """Return a technician's login, with her password and a code that was not given yet."""
        await eventually(lambda: any(map(self._fresh, self.people)))
        login = next(filter(self._fresh, self.people))
        return login, self.answers(login)

    def answers(self, login: str) -> list[str]:
        """Return her password and a code that was not given yet."""
        code = self._fresh(login) or ""
        self._given.add(f"{login}{code}")
        return [self.world.passwords[login].reveal(), code]

    def _fresh(self, login: str) -> str | None:
        # not the code before: with it she enrolled
        totp, now = pyotp.TOTP(self.world.totp_secrets[login].reveal()), datetime.now(UTC)
        codes = (totp.at(now + each) for each in (timedelta(), _STEP))
        return next((code for code in codes if f"{login}{code}" not in self._given), None)

    async def api(self, login: str = "rssi", config: Path | None = None) -> ApiClient:
        """Return the API of the console, or of that which goes by *config*, with a token of *login*'s."""
        chosen = load(config or self.config())
        place = {"url": f"https://127.0.0.1:{chosen.console.port}", "ca": chosen.authority}
        password, code = self.answers(login)
        told = {"login": login, "password": password, "code": code}
        with ApiClient(Profile(**place, token=None), "en") as anonymous:  # type: ignore[arg-type]  # two types
            token = (await asyncio.to_thread(anonymous.post, "/v1/login", told))["token"]
        return ApiClient(Profile(**place, token=Secret(str(token))), "en")  # type: ignore[arg-type]  # same

    async def silent_for(self, node: str, lasts: timedelta) -> None:
        """Let the last sign of life of *node*, which is dead, be older by *lasts*."""
        async with database_roles.connected(self.url) as connection:
            await connection.execute(
                text("UPDATE nodes SET beat_at = beat_at - make_interval(secs => :s) WHERE node = :node"),
                {"s": lasts.total_seconds(), "node": node},
            )
            await connection.commit()

    async def close(self) -> None:
        """End every process."""
        for process in self._programs.values():
            if process.returncode is None:
                process.kill()
                await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program() -> Path:
    """Return HAProxy's program; fails, saying how to get it, where there is none."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.fail("no haproxy on this machine: tools/prerequisites test installs it")
    return Path(found)


@asynccontextmanager
async def cluster(
    folder: Path, people: Sequence[str] = TECHNICIANS, *, direct: bool = False
) -> AsyncIterator[Cluster]:
    """Run one in *folder*, for these technicians, until the block ends; *direct*: with no line before the device."""
    server = postgres.start()
    made = Cluster(folder, server, people)
    device = made.device = await DemoDevice.start(folder / "scan01", "scan01")
    made.line = Line(device.port)
    way = await asyncio.start_server(made.line.take, "127.0.0.1", 0)
    try:
        await made.build(device.port if direct else way.sockets[0].getsockname()[1])
        yield made
    finally:
        await made.close()
        way.close()
        if hasattr(made, "world"):
            await made.world.close()
        await device.stop()
        server.stop()
