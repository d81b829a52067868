"""What is measured: one device, an OpenSSH jump host before it, and the bastion before it, all on loopback."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path

from bench.clients import Entry, askpass
from bench.errors import BenchError
from bench.technicians import Planning, Technician, Tell
from ecluse import composition, settings
from ecluse.demo.device import HOST, DemoDevice
from ecluse.demo.processes import descendants
from ecluse.demo.scene import Scene
from policy import services
from policy.clock import SystemClock
from tests.support.authenticator import Agent, SecurityKey, agent

CIPHER = "aes128-gcm@openssh.com"
DEVICE = "bench01"
ACCOUNT = "maint"
JUMP_ACCOUNT = "jump"
INNER = "ecluse-jump"
PROMPT = f"{ACCOUNT}@{DEVICE}:".encode()
RAM_DISK = Path("/dev/shm")  # noqa: S108 - memory on every Linux; our folder in it has a name of its own
MANY_SESSIONS = f"Ciphers {CIPHER}\nMaxStartups 2000\nMaxSessions 2000"


class Route(Enum):
    """The three ways to the device: a column each."""

    DIRECT = "direct"
    JUMP = "jump"
    ECLUSE = "ecluse"


class By(Enum):
    """The first factor of a log-in."""

    PASSWORD = "password"  # noqa: S105 - a word of the clients' configuration
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - a word of the clients' configuration
    CERTIFICATE = "certificate"
    SECURITY_KEY = "security-key"


ECLUSE_ALONE = frozenset({By.TOKEN, By.CERTIFICATE, By.SECURITY_KEY})
"""What is measured through the bastion alone: the other two know passwords and keys."""


class Ground:
    """Everything that runs while we measure. Made by ``ground``.

    ``directory`` is on a disk, ``fast`` is memory: the files that are sent and fetched lie there, so that only the
    recorder's own writes meet the disk.
    """

    def __init__(
        self, directory: Path, fast: Path, device: DemoDevice, jump: DemoDevice, scene: Scene
    ) -> None:
        self.directory = directory
        self.fast = fast
        self._device = device
        self._jump = jump
        self._scene = scene
        self._crowd: list[Technician] = []
        self.security_keys: list[SecurityKey] = []
        self.agent: Agent | None = None
        self._config = directory / "ssh_config"
        self._answers = {
            "SSH_ASKPASS": str(askpass(directory / "askpass")),
            "BENCH_DEVICE_PASSWORD": device.account.password or "",
            "BENCH_JUMP_PASSWORD": jump.account.password or "",
        }

    @property
    def gateway_pid(self) -> int:
        """The bastion's SSH process."""
        return self._announced("gateway")

    @property
    def console_pid(self) -> int:
        """The console's process."""
        return self._announced("console")

    @property
    def config(self) -> Path:
        """The bastion's settings."""
        return self._scene.config

    @property
    def ssh_port(self) -> int:
        """Where the bastion's SSH listens."""
        return self._scene.ssh_port

    def between(self, route: Route) -> set[int]:
        """Return the processes that stand between client and device on *route*."""
        match route:
            case Route.DIRECT:
                return set()
            case Route.JUMP:
                return {self._jump.pid} | descendants(self._jump.pid)
            case Route.ECLUSE:
                return {self.gateway_pid, self.console_pid}

    def entry(self, route: Route, by: By = By.PASSWORD) -> Entry:
        """Return a log-in by *route*; through the bastion each one is another person's, for a code serves once."""
        host = f"{route.value}-{by.value}"
        if route is not Route.ECLUSE:
            return Entry(config=str(self._config), host=host, answers=self._answers)
        if not self._crowd:
            raise BenchError("fewer technicians were enrolled than log-ins are measured")
        person = self._crowd.pop()
        identity = {
            By.TOKEN: person.token,
            By.CERTIFICATE: person.certified,
            By.SECURITY_KEY: person.security_key,
        }.get(by, person.key)
        holder = ("-o", f"IdentityAgent={self.agent.socket}") if by is By.SECURITY_KEY and self.agent else ()
        return Entry(
            config=str(self._config),
            host=host,
            answers={**self._answers, "BENCH_PASSWORD": person.password},
            options=("-o", f"User={person.login}+{DEVICE}", "-o", f"IdentityFile={identity}", *holder),
            totp_secret=person.totp_secret,
        )

    def by_jump(self) -> Entry:
        """Return a log-in by ``ssh -J`` through the bastion, which ends the inner connection itself."""
        outer = self.entry(Route.ECLUSE)
        login = outer.options[1].removeprefix("User=").partition("+")[0]
        return replace(outer, host=INNER, options=("-o", f"ProxyJump={login}@{outer.host}"))

    async def prepare(self, people: int, tell: Tell, clock: SystemClock) -> None:
        """Declare the device, enrol *people* technicians for a window that is open, write the clients' files."""
        self._write_config()
        configured = composition.policy_settings(settings.load(self._scene.config))
        built = await services.build(configured, clock)
        try:
            planning = Planning(built, clock, self.directory / "keys")
            self._crowd = await planning.prepare(self._device, people, tell)
            self.security_keys = planning.security_keys
        finally:
            await built.close()

    def _announced(self, program: str) -> int:
        said = json.loads((self._scene.data / "run" / f"{program}.json").read_text())
        return int(said["pid"])

    def _write_config(self) -> None:
        device, jump = (self._private_key(each) for each in (self._device, self._jump))
        known = [f"[{HOST}]:{each.port} {each.host_key_public}\n" for each in (self._device, self._jump)]
        known_hosts = self.directory / "known_hosts"
        believed = self._scene.known_hosts.read_text()
        lines = believed.splitlines()
        mark, _, authority = next(line for line in lines if line.startswith("@")).split(maxsplit=2)
        known_hosts.write_text(f"{''.join(known)}{believed}{mark} {DEVICE} {authority}\n")
        methods = {By.PASSWORD: "password", By.KEY: "publickey"}
        stanzas = [
            f"""
Host direct-{by.value} jump-{by.value} first-{by.value}
    PreferredAuthentications {method}
Host direct-{by.value} jump-{by.value}
    Port {self._device.port}
    User {ACCOUNT}
    IdentityFile {device}
Host jump-{by.value}
    ProxyJump first-{by.value}
Host first-{by.value}
    Port {self._jump.port}
    User {JUMP_ACCOUNT}
    IdentityFile {jump}
"""
            for by, method in methods.items()
        ]
        self._config.write_text(f"""{"".join(stanzas)}
Host ecluse-password
    PreferredAuthentications keyboard-interactive
Host ecluse-token ecluse-security-key
    PreferredAuthentications publickey
Host ecluse-key ecluse-certificate
    PreferredAuthentications publickey,keyboard-interactive
Host {INNER}
    HostName {DEVICE}
    Port 22
    User {ACCOUNT}
Host ecluse-*
    Port {self._scene.ssh_port}
Host *
    HostName {HOST}
    Ciphers {CIPHER}
    Compression no
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    IdentityAgent none
    IdentitiesOnly yes
    NumberOfPasswordPrompts 1
    LogLevel ERROR
    # newer clients blur the times of keystrokes on purpose, which is not what is measured
    IgnoreUnknown ObscureKeystrokeTiming
    ObscureKeystrokeTiming no
""")

    def _private_key(self, device: DemoDevice) -> Path:
        path = self.directory / f"{device.name}.key"
        path.touch(mode=0o600)
        path.write_text(device.account.private_key or "")
        return path


@asynccontextmanager
async def ground(people: int, tell: Tell) -> AsyncIterator[Ground]:
    """Start everything, with *people* technicians who may each log in; all of it is stopped and removed after."""
    clock = SystemClock()
    directory = Path(tempfile.mkdtemp(prefix="ecluse-bench-"))
    fast = Path(tempfile.mkdtemp(prefix="ecluse-bench-", dir=RAM_DISK if RAM_DISK.is_dir() else directory))
    started: list[DemoDevice] = []
    scene: Scene | None = None

    async def sshd(name: str, account: str) -> DemoDevice:
        started.append(
            await DemoDevice.start(directory / name, name, account_name=account, extra_config=MANY_SESSIONS)
        )
        return started[-1]

    try:
        tell("device and jump host")
        device, jump = await sshd(DEVICE, ACCOUNT), await sshd("gate", JUMP_ACCOUNT)
        tell("the bastion")
        scene = await Scene.build(directory / "bastion", clock, lambda _key: None)
        built = Ground(directory, fast, device, jump, scene)
        await built.prepare(people, tell, clock)
        async with agent(built.security_keys) as built.agent:
            yield built
    finally:
        if scene is not None:
            await scene.close()
        for each in started:
            await each.stop()
        for folder in (directory, fast):
            shutil.rmtree(folder, ignore_errors=True)
