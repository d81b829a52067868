"""Devices that are old or odd: each is served on its own leg, and what went wrong with one is said as it is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_IGNORE
from typing_extensions import override

from gateway.target import dial
from policy.domain.devices import Algorithms, Device, Quirk
from tests.support.bastion import Bastion, running_bastion
from tests.support.hostile_device import NAME, PASSWORD, declare, hostile_device
from tests.support.policy_world import HALF_AN_HOUR, host_key_line

pytestmark = pytest.mark.integration

OLDEST = Algorithms(
    kex=("diffie-hellman-group1-sha1",),
    host_key=("ssh-rsa",),
    encryption=("3des-cbc",),
    mac=("hmac-sha1",),
)
Prompts = Sequence[tuple[str, bool]]


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion; the devices of these tests come beside its own."""
    async with running_bastion(tmp_path) as made:
        yield made


async def greet(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """A device's command: says that it ran."""
    process.stdout.write(b"in\n")
    process.exit(0)


async def excuse(bastion: Bastion, device: Device, algorithms: Algorithms) -> None:
    """Give *device* its old *algorithms*, and have the security referent answer for them."""
    world = bastion.world
    await world.services.devices.update(world.who("dsi"), world.id, device.id, algorithms=algorithms)
    until = world.clock.now() + HALF_AN_HOUR
    await world.services.derogations.accept(
        world.who("rssi"), world.id, device.id, reason="essai", until=until
    )


async def hostile(bastion: Bastion) -> Device:
    """Return the device that a test declared."""
    world = bastion.world
    devices = await world.services.devices.list(world.who("dsi"), world.id)
    return next(device for device in devices if device.name == NAME)


class Asking(asyncssh.SSHServer):
    """A device that knows keyboard-interactive alone, and asks its *rounds* of prompts one after the other."""

    def __init__(self, rounds: Sequence[Prompts], heard: list[Sequence[str]]) -> None:
        """Keep what is answered in *heard*."""
        self._rounds = list(rounds)
        self._heard = heard

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def password_auth_supported(self) -> bool:
        return False

    @override
    def kbdint_auth_supported(self) -> bool:
        return True

    def _next(self) -> tuple[str, str, str, Prompts]:
        return "", "", "", self._rounds.pop(0)

    @override
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return self._next() if self._rounds else False

    @override
    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        self._heard.append(list(responses))
        return self._next() if self._rounds else PASSWORD in self._heard[-1] or PASSWORD in self._heard[0]


NAMED: Prompts = (("Login: ", True),)
SECRET: Prompts = (("Mot de passe : ", False),)
NOTICE: Prompts = ()


@pytest.mark.parametrize(
    ("rounds", "heard"),
    [
        ([SECRET], [[PASSWORD]]),
        ([NAMED, SECRET], [["maint"], [PASSWORD]]),
        ([(*NAMED, *SECRET)], [["maint", PASSWORD]]),
        ([NOTICE, SECRET], [[], [PASSWORD]]),
    ],
    ids=["one", "name-then-secret", "both-at-once", "notice-first"],
)
async def test_a_device_that_only_asks_questions(
    bastion: Bastion, rounds: list[Prompts], heard: list[list[str]]
) -> None:
    """Whatever way a device asks for the name and the password, they are answered, the password to a hidden prompt."""
    answers: list[Sequence[str]] = []
    async with hostile_device(bastion, greet, server_factory=lambda: Asking(rounds, answers)) as name:
        ended = await bastion.client.ssh(f"alice+{name}", "id", answers=bastion.answers())
    assert (ended.rc, ended.stdout) == (0, b"in\n"), ended.said
    assert answers == heard


@pytest.mark.parametrize(
    "rounds",
    [[(("Password: ", True),)], [(*SECRET, ("Badge: ", False))], [SECRET, SECRET], [(("Domaine : ", True),)]],
    ids=["shown", "another-secret", "twice", "unknown"],
)
async def test_a_password_is_not_given_to_the_wrong_question(bastion: Bastion, rounds: list[Prompts]) -> None:
    """A prompt that echoes, a second secret, a second time: the log-in is given up, the password not repeated."""
    answers: list[Sequence[str]] = []
    async with hostile_device(bastion, greet, server_factory=lambda: Asking(rounds, answers)) as name:
        ended = await bastion.client.ssh(f"alice+{name}", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "refuse le compte" in ended.said
    assert sum(list(given).count(PASSWORD) for given in answers) <= 1
    assert not any(PASSWORD in given for given in answers if rounds[0][0][1])


async def test_the_oldest_algorithms_with_a_derogation(tmp_path: Path) -> None:
    """A real sshd that speaks group1, 3DES and SHA-1 with an RSA key is served once somebody answers for it."""
    key = tmp_path / "rsa"
    made = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    made.write_private_key(key, "openssh")
    key.chmod(0o600)
    lines = [
        f'HostKey "{key}"',
        f"KexAlgorithms {OLDEST.kex[0]}",
        f"HostKeyAlgorithms {OLDEST.host_key[0]}",
        f"Ciphers {OLDEST.encryption[0]}",
        f"MACs {OLDEST.mac[0]}",
    ]
    async with running_bastion(tmp_path / "bastion", sshd_config="\n".join(lines)) as bastion:
        world = bastion.world
        public = made.export_public_key().decode().strip()
        await world.services.devices.pin_host_key(world.who("dsi"), world.id, world.device.id, public)
        await excuse(bastion, world.device, OLDEST)
        ended = await bastion.client.ssh(
            "alice+scan01", "cat", input=b"x" * 50_000, answers=bastion.answers()
        )
        assert (ended.rc, ended.stdout) == (0, b"x" * 50_000), ended.said


@pytest.mark.parametrize("spared", [True, False])
async def test_a_device_that_breaks_on_ignore(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch, spared: bool
) -> None:
    """Under CBC, SSH_MSG_IGNORE is sent to every device but one whose quirk says that it breaks on it."""
    handlers = asyncssh.connection.SSHConnection._packet_handlers
    known = handlers[MSG_IGNORE]

    def choke(self: asyncssh.SSHServerConnection, *arguments: Any) -> Any:
        if type(self) is asyncssh.SSHServerConnection:
            self.abort()
            return True
        return known(self, *arguments)

    monkeypatch.setitem(handlers, MSG_IGNORE, choke)
    cbc = Algorithms(encryption=("aes128-cbc",), quirks=(Quirk.NO_IGNORE,) if spared else ())
    async with hostile_device(bastion, greet, encryption_algs=["aes128-cbc"]) as name:
        await excuse(bastion, await hostile(bastion), cbc)
        ended = await bastion.client.ssh(f"alice+{name}", "id", answers=bastion.answers())
    assert (ended.stdout == b"in\n") is spared, ended.said


@asynccontextmanager
async def speaking(words: Callable[[asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """Yield the port of something that is no SSH server at first."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await words(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def resets(writer: asyncio.StreamWriter) -> None:
    """Abort the connection as soon as it is made."""
    writer.transport.abort()


async def closes(writer: asyncio.StreamWriter) -> None:
    """Say who it is, and no more."""
    writer.write(b"SSH-2.0-Full\r\n")
    await writer.drain()


@pytest.mark.parametrize("words", [resets, closes])
async def test_a_device_that_hangs_up_is_said_to(bastion: Bastion, words: Callable[..., Any]) -> None:
    """Closed at once is not the same as switched off: the person and the journal read which it was."""
    async with speaking(words) as port:
        await declare(bastion, port, host_key_line())
        ended = await bastion.client.ssh(f"alice+{NAME}", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "ferme la connexion avant l’identification" in ended.said
    failed = dict((await bastion.written("device.failed"))[0].event.details)
    assert failed["error"] == "DeviceHungUp"


async def test_a_banner_before_the_version_line(bastion: Bastion) -> None:
    """Lines before the version, sent in pieces, are read over (RFC 4253 section 4.2)."""
    device = bastion.device

    async def announce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (b"*** Scanner 3000 ***\r\n", b"service acc", b"ess only\r\n\r\n"):
            writer.write(piece)
            await writer.drain()
        inner_reader, inner_writer = await asyncio.open_connection(device.host, device.port)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    server = await asyncio.start_server(announce, "127.0.0.1", 0)
    async with server:
        made = await declare(bastion, server.sockets[0].getsockname()[1], device.host_key_public)
        ended = await bastion.client.ssh(f"alice+{made.name}", "id", answers=bastion.answers())
    # the secret is another device's: what counts here is that the dialogue got as far as the account
    assert "refuse le compte" in ended.said


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_changed_key_is_told_to_staff_with_both_fingerprints(bastion: Bastion) -> None:
    """The journal holds what is pinned and what was shown; the person reads that access is blocked, and no more."""
    world = bastion.world
    before = world.device.host_keys[0]
    bastion.device.replace_host_key()
    await bastion.device.restart()
    ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "SHA256:" not in ended.said
    told = dict((await bastion.written("device.host_key_changed"))[0].event.details)
    for line in (before, bastion.device.host_key_public):
        assert asyncssh.import_public_key(line).get_fingerprint() in str(told["detail"])


@pytest.mark.parametrize(
    ("keys", "error", "told"),
    [
        ("ed25519", "HostKeyChanged", "clé attendue"),
        ("rsa-sha1", "NoCommonAlgorithm", "algorithmes trop anciens"),
    ],
)
async def test_a_device_with_no_kind_of_key_in_common_is_told_why(
    tmp_path: Path, keys: str, error: str, told: str
) -> None:
    """It hangs up in the exchange: a key of another kind than the pinned one, or the pinned one signing by SHA-1."""
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    path = tmp_path / "rsa"
    rsa.write_private_key(path, "openssh")
    path.chmod(0o600)
    lines = "" if keys == "ed25519" else f'HostKey "{path}"\nHostKeyAlgorithms ssh-rsa'
    async with running_bastion(tmp_path / "bastion", sshd_config=lines) as bastion:
        world, dsi = bastion.world, bastion.world.who("dsi")
        public = rsa.export_public_key().decode().strip()
        await world.services.devices.pin_host_key(dsi, world.id, world.device.id, public)
        for line in world.device.host_keys:
            await world.services.devices.unpin_host_key(dsi, world.id, world.device.id, line)
        ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert told in ended.said
        name = "device.host_key_changed" if error == "HostKeyChanged" else "device.failed"
        assert dict((await bastion.written(name))[0].event.details)["error"] == error


@pytest.mark.parametrize("slow", [True, False])
async def test_a_slow_device_is_waited_for_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    """A server that thinks longer than others are given gets its time, without anybody's derogation."""
    monkeypatch.setattr(dial, "SLOWER", 60)

    class Thinking(asyncssh.SSHServer):
        @override
        def password_auth_supported(self) -> bool:
            return True

        @override
        async def validate_password(self, username: str, password: str) -> bool:
            await asyncio.sleep(1.0)  # the device's own slowness: what is tested is that it is waited for
            return password == PASSWORD

    async with (
        running_bastion(tmp_path, connect_timeout_seconds=0.7) as bastion,
        hostile_device(bastion, greet, server_factory=Thinking) as name,
    ):
        world, quirks = bastion.world, (Quirk.SLOW,) if slow else ()
        device = await hostile(bastion)
        await world.services.devices.update(
            world.who("dsi"), world.id, device.id, algorithms=Algorithms(quirks=quirks)
        )
        ended = await bastion.client.ssh(f"alice+{name}", "id", answers=bastion.answers())
    assert (ended.stdout == b"in\n") is slow, ended.said
