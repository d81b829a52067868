"""A hospital's network: a supplier outside, the bastion with its filter, two admin zones, a real sshd in each."""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyotp
import structlog
from typing_extensions import override

from ecluse.demo.device_files import prepare, sshd_program
from ecluse.demo.leftovers import device_mark
from ecluse.presence import port_of
from policy.clock import SystemClock
from policy.domain.devices import AccountMethod, Device
from policy.vault.secret import Secret
from recorder.audit.entries import JournalEntry
from recorder.audit.journal import Journal, JournalFilters
from recorder.store.database import Database
from tests.support.installed import change, install
from tests.support.network import Network, network
from tests.support.policy_world import World, make_world
from tests.support.ssh_client import SshClient
from tests.support.waiting import eventually, until

GATEWAY_USER: Final = 64001
BROKER_USER: Final = 64002
SUPPLIER: Final = ("10.77.1.2", "fd77:1::2")
FRONT: Final = ("10.77.1.1", "fd77:1::1")
ZONE_A: Final = ("10.77.2.1", "fd77:2::1")
ZONE_B: Final = ("10.77.3.1", "fd77:3::1")
SCAN01: Final = ("10.77.2.10", "fd77:2::10")
RIS02: Final = ("10.77.3.10", "fd77:3::10")
FRONT_PORT: Final = 2222
SITE: Final = f"""
add element inet ecluse gateways {{ {GATEWAY_USER} }}
add element inet ecluse front_interfaces {{ "front" }}
add element inet ecluse front_ports {{ {FRONT_PORT} }}
add element inet ecluse front4 {{ 10.77.1.0/24 }}
add element inet ecluse front6 {{ fd77:1::/64 }}
"""
RULES: Final = Path(__file__).parents[2] / "deploy/nftables/ecluse.nft"


def as_user(uid: int, *capabilities: str) -> list[str]:
    """Return what to put before a command so that it runs as *uid* with these rights and no other.

    It may read every file besides: the interpreter and this tree may stand where only root enters.
    """
    kept = ",".join(f"+{one}" for one in ("dac_read_search", *capabilities))
    rights = [f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}", f"--bounding-set=-all,{kept}"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *rights, "--no-new-privs", "--"]


@dataclass(kw_only=True)
class HospitalNetwork:
    """Everything runs; what a test stops it starts again."""

    folder: Path
    network: Network
    world: World
    ris02: Device
    register: Path
    sockets: Path
    registered: tuple[tuple[str, int], ...] = ((SCAN01[0], 22), (RIS02[1], 22))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _tickets: list[tuple[str, timedelta]] = field(
        default_factory=lambda: [
            (login, timedelta(seconds=seconds)) for seconds in (0, 30) for login in ("alice", "bob")
        ]
    )

    @property
    def data(self) -> Path:
        """The installation's data directory."""
        return self.folder / "data"

    def write_register(self, *places: tuple[str, int]) -> None:
        """Let the broker open ways to *places* and to nothing else."""
        flows = [{"address": address, "port": port} for address, port in places]
        self.register.write_text(json.dumps({"flows": flows}))

    def load_filter(self) -> None:
        """Load the bastion's filter, in place of whatever stands there."""
        self.network.run("gateway", "nft", "-I", str(self.folder), "-f", str(RULES))

    def start(self, name: str, machine: str, *command: str, **options: Any) -> None:
        """Start a process on *machine*; it is killed with the test."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.network.on(machine), "setpriv", "--pdeathsig=KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options,
            )  # fmt: skip

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal a process and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(60)

    def log(self, name: str) -> str:
        """Return what a process has said."""
        return (self.folder / f"{name}.log").read_text()

    def start_broker(self) -> None:
        """Start the flow broker as its unit does: a user of its own, one right, the socket made before it."""
        with socket.socket(socket.AF_UNIX) as listening:
            self.sockets.unlink(missing_ok=True)
            listening.bind(str(self.sockets))
            os.chown(self.sockets, GATEWAY_USER, GATEWAY_USER)
            self.sockets.chmod(0o600)
            listening.listen(64)
            number = listening.fileno()
            begin = f'exec 3<&{number}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
            before = self.log("broker").count("ready") if (self.folder / "broker.log").exists() else 0
            self.start(
                "broker", "gateway", "bash", "-c", begin, "bash", *as_user(BROKER_USER, "net_admin"),
                sys.executable, "-I", "-m", "ecluse.flows.broker",
                "--gateway", str(GATEWAY_USER), "--register", str(self.register), "--nft", str(shutil.which("nft")),
                pass_fds=(number,),
            )  # fmt: skip
        until(lambda: self.log("broker").count("ready") > before, "the broker is not ready")

    async def start_gateway(self) -> None:
        """Start the gateway as its own user unless it runs, and wait until it serves."""
        if "gateway" in self.processes:
            return
        self.start(
            "gateway", "gateway", *as_user(GATEWAY_USER), sys.executable, "-P", "-m", "ecluse",
            "gateway", "--config", str(self.data / "ecluse.toml"),
            env={"PATH": os.environ["PATH"]},  # nor has its number a name on this machine
        )  # fmt: skip
        process, run = self.processes["gateway"], self.data / "run"
        await eventually(lambda: port_of(run, "gateway") is not None or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError(self.log("gateway"))

    def supplier(self, folder: Path, version: int = 4) -> "SupplierClient":
        """Return the ssh of somebody on the supplier's network, who comes by IPv4 or IPv6."""
        folder.mkdir()
        key = (self.data / "keys/host_ed25519.pub").read_text().strip()
        return SupplierClient(FRONT[version == 6], FRONT_PORT, key, folder, self.network)

    def gateway_reaches(self, address: str, port: int = 22, *, user: int = GATEWAY_USER) -> bool:
        """Tell whether a connection of the gateway's user, or of another *user* of its machine, comes about now."""
        tried = ["timeout", "20", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
        command = [*self.network.on("gateway"), *as_user(user), *tried]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def ways(self) -> dict[str, int]:
        """Return the addresses and ports that the kernel lets be reached now, and for how many seconds yet."""
        found: dict[str, int] = {}
        for name in ("open4", "open6"):
            shown = json.loads(
                self.network.run("gateway", "nft", "-j", "list", "set", "inet", "ecluse", name)
            )
            [elements] = [one["set"].get("elem", []) for one in shown["nftables"] if "set" in one]
            for element in elements:
                address, port = element["elem"]["val"]["concat"]
                found[f"{address} {port}"] = int(element["elem"]["expires"])
        return found

    def open_ways(self) -> list[str]:
        """Return the addresses and ports alone."""
        return list(self.ways())

    async def journal(self, name: str) -> Sequence[JournalEntry]:
        """Return the journal's entries of *name*, oldest first."""
        database = Database(f"sqlite:///{self.data}/traces.db")
        try:
            journal = Journal(database, node="reader", now=self.world.clock.now)
            return (await journal.entries(JournalFilters(hospital_id=self.world.id, name=name))).entries
        finally:
            await database.dispose()

    def ticket(self) -> tuple[str, list[str]]:
        """Return somebody's login name, her password and a code that serves: each person has two in half a minute."""
        login, later = self._tickets.pop(0)
        code = pyotp.TOTP(self.world.totp_secrets[login].reveal())
        return login, [self.world.passwords[login].reveal(), code.at(self.world.clock.now() + later)]


class SupplierClient(SshClient):
    """Stock clients that run on the supplier's machine."""

    def __init__(self, host: str, port: int, host_key: str, directory: Path, cables: Network) -> None:
        """Come from there by *cables*."""
        super().__init__(host, port, host_key, directory)
        self._cables = cables

    @override
    def command(self, *arguments: Any, **options: Any) -> list[str]:
        """Return the command line, to be run there."""
        return [*self._cables.on("supplier"), *super().command(*arguments, **options)]


@asynccontextmanager
async def hospital_network(folder: Path) -> AsyncIterator[HospitalNetwork]:
    """Make all of it in *folder*, which other users can enter; nothing of it is left at the end."""
    with network() as cables:
        _lay(cables)
        running: dict[str, subprocess.Popen[bytes]] = {}
        scan01, ris02 = (_Sshd(folder / name, name) for name in ("scan01", "ris02"))
        with logs_kept():
            await asyncio.to_thread(install, folder / "data")  # it runs a loop of its own
        world, other = await _people(folder / "data", scan01, ris02)
        made = HospitalNetwork(
            folder=folder,
            network=cables,
            world=world,
            ris02=other,
            register=folder / "flows.json",
            sockets=folder / "flows.sock",
            processes=running,
        )
        try:
            for name, sshd, addresses in (("scan01", scan01, SCAN01), ("ris02", ris02, RIS02)):
                made.start(name, name, *sshd.command(addresses), env=sshd.environment)
            made.write_register(*made.registered)
            (folder / "site.nft").write_text(SITE)
            made.load_filter()
            made.start_broker()
            await made.start_gateway()
            yield made
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            await world.close()


@contextmanager
def logs_kept() -> Iterator[None]:
    """Take back what a command of this process does to the logs: its stream is closed when it ends."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers


def _lay(cables: Network) -> None:
    for machine in ("supplier", "gateway", "scan01", "ris02"):
        cables.machine(machine)
    ends = (
        ("front", "supplier", FRONT, SUPPLIER),
        ("zone-a", "scan01", ZONE_A, SCAN01),
        ("zone-b", "ris02", ZONE_B, RIS02),
    )
    for interface, machine, ours, theirs in ends:
        cables.cable("gateway", interface, machine, "eth0")
        cables.configure(
            "gateway",
            f"addr add {ours[0]}/24 dev {interface}",
            f"addr add {ours[1]}/64 dev {interface} nodad",
        )
        # the bastion is everybody's way to everywhere: only its own filter and sysctls stand between
        cables.configure(
            machine,
            f"addr add {theirs[0]}/24 dev eth0",
            f"addr add {theirs[1]}/64 dev eth0 nodad",
            f"route add default via {ours[0]}",
            f"route add ::/0 via {ours[1]}",
        )


class _Sshd:
    """A device's SSH server and its one account."""

    def __init__(self, folder: Path, name: str) -> None:
        self._files = prepare(folder)
        self.account = self._files.make_account("maint", name)
        self.host_key = self._files.make_host_key()
        self.environment = {"PATH": os.environ["PATH"], **self._files.environment()}

    def command(self, addresses: tuple[str, str]) -> list[str]:
        """Return the command that listens on *addresses*."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        listen = "\n".join(f"ListenAddress [{address}]:22" for address in addresses)
        self._files.write_config(22, device_mark(), listen)
        return [str(sshd_program()), "-D", "-e", "-f", str(self._files.config)]


async def _people(data: Path, scan01: _Sshd, ris02: _Sshd) -> tuple[World, Device]:
    """Put the fixture hospital in place of the one that was initialised; hand everything to the gateway's user."""
    (data / "policy.db").unlink()
    world = await make_world(
        f"sqlite:///{data}/policy.db",
        SystemClock(),
        keyring_directory=data / "keys/vault",
        networks=("10.77.1.0/24", "fd77:1::/64"),
        address=SCAN01[0],
        host_key=scan01.host_key,
        secret=Secret(scan01.account.password or ""),
        source_address=ZONE_A[0],
    )
    services, dsi = world.services, world.who("dsi")
    zone = await services.devices.create_zone(dsi, world.id, name="biologie", source_address=ZONE_B[1])
    device = await services.devices.create(dsi, world.id, name="ris02", zone_id=zone.id, address=RIS02[1])
    await services.devices.pin_host_key(dsi, world.id, device.id, ris02.host_key)
    await services.devices.add_account(
        dsi,
        world.id,
        device.id,
        name="maint",
        method=AccountMethod.PASSWORD,
        secret=Secret(ris02.account.password or ""),
    )
    await world.enrol(await services.people.invite(dsi, world.id, world.who("bob")))
    await world.add_window(people=("alice", "bob"), devices=(world.device.id, device.id))
    config = data / "ecluse.toml"
    config.write_text(re.sub(r'hospital_id = "\w+"', f'hospital_id = "{world.id}"', config.read_text()))
    change(config, "gateway", 'host = ""')
    change(config, "gateway", f"port = {FRONT_PORT}")
    change(config, "gateway", 'flows = "required"')
    change(config, "gateway", f'flow_broker = "{data.parent}/flows.sock"')
    for path in (data, *data.rglob("*")):
        os.chown(path, GATEWAY_USER, GATEWAY_USER)
    return world, device
