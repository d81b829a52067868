"""The two-tier lock: a technician comes in by a front that holds nothing, and a front taken over gains nothing."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ecluse import airlock, certificates
from ecluse.selfaudit import ssh as own_port
from gateway.airlock.front import Front
from gateway.airlock.relay import Relay
from gateway.airlock.settings import FrontSettings, RelaySettings
from gateway.server.doorkeeper import GREETING
from tests.support.bastion import Bastion, running_bastion
from tests.support.newcomer import HELLO, newcomer
from tests.support.proxy_headers import proxied
from tests.support.ssh_client import Finished, SshClient
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

HOME = "127.0.0.77"
WAITING = 3
PER_SOURCE = 4


@dataclass(frozen=True)
class Lock:
    """A bastion behind a lock, and what both sides run by."""

    bastion: Bastion
    folder: Path
    outer: FrontSettings
    inner: RelaySettings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lock(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lock]:
    """A gateway that believes the relay beside it, and the lock's keys as the command makes them."""
    folder = tmp_path_factory.mktemp("lock")
    front, relay = airlock.make_keys(folder, "127.0.0.1:7022", datetime.now(UTC))
    async with running_bastion(
        tmp_path_factory.mktemp("inside"), proxy_sources=(ip_network("127.0.0.1"),)
    ) as bastion:
        chosen = airlock.load(front / airlock.FILE).front
        other = airlock.load(relay / airlock.FILE).relay
        assert chosen is not None
        assert other is not None
        outer = airlock.front_settings(
            chosen.model_copy(
                update={"host": "127.0.0.1", "port": 0, "relay_host": "127.0.0.1", "relay_port": 0}
            ),
            front,
        )
        inner = airlock.relay_settings(
            other.model_copy(update={"gateway_port": bastion.gateway.port, "waiting": WAITING}), relay
        )
        yield Lock(
            bastion,
            folder,
            replace(
                outer,
                clients_per_source=PER_SOURCE,
                silent_seconds=60.0,
                patience_seconds=60.0,
                drain_seconds=0.1,
            ),
            replace(inner, slowest_retry_seconds=0.5, drain_seconds=0.1),
        )


@asynccontextmanager
async def fronted(settings: FrontSettings) -> AsyncIterator[Front]:
    """Run a front."""
    front = Front(settings)
    await front.start()
    try:
        yield front
    finally:
        await front.drain()


@asynccontextmanager
async def relayed(settings: RelaySettings, port: int) -> AsyncIterator[Relay]:
    """Run a relay that dials *port*."""
    relay = Relay(replace(settings, fronts=(("127.0.0.1", port),)))
    relay.start()
    try:
        yield relay
    finally:
        await relay.drain()


@asynccontextmanager
async def standing(lock: Lock) -> AsyncIterator[tuple[Front, Relay]]:
    """Run both sides, the relay's connections waiting."""
    async with fronted(lock.outer) as front, relayed(lock.inner, front.relay_port) as relay:
        await eventually(lambda: front.waiting == WAITING)
        yield front, relay


async def ssh(lock: Lock, port: int, command: str, stdin: bytes = b"") -> Finished:
    """Run *command* on the device by stock ssh from HOME, through the front at *port*."""
    known = lock.bastion.client.known_hosts.read_text().split(maxsplit=1)[1].strip()
    client = SshClient("127.0.0.1", port, known, lock.bastion.directory)
    return await client.ssh(
        "alice+scan01", command, answers=lock.bastion.answers(), options=["-b", HOME], input=stdin
    )


async def test_a_session_comes_in_by_the_lock(lock: Lock) -> None:
    """Stock ssh through front and relay: bytes arrive unchanged, and her own address is judged and written down."""
    sent = bytes(range(256)) * 8192
    async with standing(lock) as (front, _):
        ended = await ssh(lock, front.port, "sha256sum", sent)
        assert ended.stdout.split()[0].decode() == hashlib.sha256(sent).hexdigest(), ended.said
        await eventually(lambda: front.clients == 0 and front.waiting == WAITING)
    opened = (await lock.bastion.events("session.opened"))[-1]
    assert opened.event.source == HOME


async def test_the_front_s_machine_holds_its_own_key_alone(lock: Lock) -> None:
    """What is copied to the front is its two keys, two certificates and the settings; nothing there is the relay's."""
    outside, inside = ({each.name for each in (lock.folder / side).iterdir()} for side in ("front", "relay"))
    audits = {"self-audit.pem", "self-audit.pem.pub"}
    assert outside == {"airlock.toml", "front.key", "front.pem", "relay.pem"} | audits
    assert inside == {"airlock.toml", "relay.key", "relay.pem", "front.pem"}
    private = [*lock.folder.rglob("*.key"), lock.folder / "front/self-audit.pem"]
    assert {each.stat().st_mode & 0o777 for each in private} == {0o600}


def forged(folder: Path, kind: str) -> ssl.SSLContext:
    """Return the TLS of somebody who would be a relay."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    folder.mkdir(exist_ok=True)
    if kind == "another's certificate":
        certificates.make_pinned_certificate(folder, "relay", datetime.now(UTC), timedelta(days=1))
        context.load_cert_chain(folder / "relay.pem", folder / "relay.key")
    elif kind == "one signed by the relay":
        signed_by_the_relay(folder)
        context.load_cert_chain(folder / "signed.pem", folder / "signed.key")
    elif kind == "the relay's, by TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder.parent / "relay/relay.pem", folder.parent / "relay/relay.key")
    return context


def signed_by_the_relay(folder: Path) -> None:
    """Make a certificate signed with the relay's own key, which is trusted for itself alone."""
    inside = folder.parent / "relay"
    issuer = x509.load_pem_x509_certificate((inside / "relay.pem").read_bytes())
    by = serialization.load_pem_private_key((inside / "relay.key").read_bytes(), None)
    assert isinstance(by, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(by, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM) + issuer.public_bytes(serialization.Encoding.PEM)
    (folder / "signed.pem").write_bytes(pem)
    (folder / "signed.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.mark.parametrize(
    "kind", ["no certificate", "another's certificate", "one signed by the relay", "the relay's, by TLS 1.2"]
)
async def test_nobody_else_dials_in(lock: Lock, kind: str) -> None:
    """Whoever does not show a listed relay's very certificate, by TLS 1.3, is never given a client."""
    async with fronted(lock.outer) as front:
        tls = forged(lock.folder / kind.replace(" ", "-").replace("'", ""), kind)
        with suppress(OSError, ssl.SSLError):
            reader, writer = await asyncio.open_connection("127.0.0.1", front.relay_port, ssl=tls)
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            writer.close()
        assert front.waiting == 0


async def test_plain_ssh_at_the_relays_door_is_closed(lock: Lock) -> None:
    """The port for relays speaks TLS or nothing."""
    async with fronted(lock.outer) as front, newcomer(front.relay_port) as lost:
        assert GREETING not in await lost.sent_away()


async def test_the_relay_believes_its_front_alone(lock: Lock, tmp_path: Path) -> None:
    """A machine that answers in the front's place with another certificate is given no way inside."""
    false, _ = airlock.make_keys(tmp_path / "false", "127.0.0.1:7022", datetime.now(UTC))
    (false / "relay.pem").write_bytes((lock.folder / "front/relay.pem").read_bytes())
    chosen = airlock.load(false / airlock.FILE).front
    assert chosen is not None
    settings = airlock.front_settings(chosen, false)
    there = replace(
        settings, host="127.0.0.1", port=0, relay_host="127.0.0.1", relay_port=0, drain_seconds=0.1
    )
    async with fronted(there) as front, relayed(lock.inner, front.relay_port) as relay:
        await eventually(lambda: bool(relay.unreached))
        assert (front.waiting, relay.ready) == (0, 0)


@asynccontextmanager
async def taken_over(lock: Lock) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Be the front, with its key: hold one of the relay's connections."""
    ways: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ways.put((reader, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=lock.outer.tls)
    port = server.sockets[0].getsockname()[1]
    async with relayed(lock.inner, port):
        yield await ways.get()
        server.close()


@pytest.mark.parametrize(
    "said",
    [HELLO, b"GET / HTTP/1.1\r\n\r\n", proxied("203.0.113.7").replace(b"\x21\x11", b"\x20\x00", 1) + HELLO],
    ids=["no header", "another protocol", "the front for itself"],
)
async def test_a_front_taken_over_is_a_stranger_to_the_gateway(lock: Lock, said: bytes) -> None:
    """With the front's key one can say what any stranger can, and is closed where a client's header lacks."""
    async with taken_over(lock) as (reader, writer):
        writer.write(said)
        async with asyncio.timeout(60):
            assert (await reader.read()).removeprefix(GREETING) == b""


async def test_a_client_waits_for_a_relay_and_not_for_ever(lock: Lock) -> None:
    """Who comes before the relay is taken in when it comes, and closed without a word when it does not."""
    async with fronted(replace(lock.outer, patience_seconds=0.2)) as front, newcomer(front.port) as early:
        assert await early.sent_away() == b""
    async with (
        fronted(lock.outer) as front,
        newcomer(front.port) as early,
        relayed(lock.inner, front.relay_port),
    ):
        assert await early.let_in()


async def test_without_the_gateway_clients_are_closed_at_once(lock: Lock) -> None:
    """Where the relay finds no gateway, nobody waits for nothing, and the way is opened anew."""
    nowhere = replace(lock.inner, gateway_port=1)
    async with fronted(lock.outer) as front, relayed(nowhere, front.relay_port):
        await eventually(lambda: front.waiting == WAITING)
        async with newcomer(front.port) as lost:
            assert await lost.sent_away() == b""
        await eventually(lambda: front.waiting == WAITING)


async def test_a_front_that_restarts_is_dialled_again(lock: Lock) -> None:
    """The relay finds its front again by itself, whatever became of the connections that waited."""
    async with fronted(lock.outer) as front:
        port = front.relay_port
        async with relayed(lock.inner, port) as relay:
            await eventually(lambda: front.waiting == WAITING)
            await front.drain()
            await eventually(lambda: relay.ready == 0)
            async with fronted(replace(lock.outer, relay_port=port)) as again:
                await eventually(lambda: again.waiting == WAITING)
                async with newcomer(again.port) as guest:
                    assert await guest.let_in()


async def test_one_source_has_so_many_connections(lock: Lock) -> None:
    """Beyond its share a source is closed at the front; another still comes in."""
    async with standing(lock) as (front, _):
        async with asyncio.TaskGroup() as group:
            crowd = [newcomer(front.port, "127.0.0.50") for _ in range(PER_SOURCE)]
            guests = [group.create_task(each.__aenter__()) for each in crowd]
        await eventually(lambda: front.clients == PER_SOURCE)
        async with newcomer(front.port, "127.0.0.50") as over, newcomer(front.port, "127.0.0.51") as other:
            assert await over.sent_away() == b""
            assert await other.let_in()
        for guest in guests:
            guest.result().writer.close()
        await eventually(lambda: front.clients == 0)


async def until_inside(front: Front, number: int) -> None:
    """Wait until so many clients are inside."""
    await eventually(lambda: front.clients == number)


@pytest.mark.parametrize("relays", [0, 1], ids=["before any relay", "behind a relay"])
async def test_the_silent_leave_for_who_comes(lock: Lock, relays: int) -> None:
    """Where all places are taken, who came first of the largest crowd that says nothing is sent away, and no other."""
    outer = replace(lock.outer, clients=3, clients_per_source=3, silent_seconds=0.0)
    async with fronted(outer) as front, AsyncExitStack() as crowd:
        if relays:
            await crowd.enter_async_context(relayed(lock.inner, front.relay_port))
            await eventually(lambda: front.waiting == WAITING)
        silent = []
        for number, source in enumerate(("127.0.0.51", "127.0.0.50", "127.0.0.50"), 1):
            silent.append(await crowd.enter_async_context(newcomer(front.port, source, b"")))
            await until_inside(front, number)
        guest = await crowd.enter_async_context(newcomer(front.port, "127.0.0.52"))
        assert await silent[1].sent_away() in {GREETING, b""}
        if not relays:
            await crowd.enter_async_context(relayed(lock.inner, front.relay_port))
        assert await guest.let_in()
        await until_inside(front, 3)


async def test_the_silent_of_one_source_leave_for_its_own(lock: Lock) -> None:
    """Where one source has all that it may, its own silent connection leaves for its next one, and no other source's."""
    outer = replace(lock.outer, clients_per_source=1, silent_seconds=0.0)
    async with fronted(outer) as front, relayed(lock.inner, front.relay_port), AsyncExitStack() as crowd:
        await eventually(lambda: front.waiting == WAITING)
        for source in ("127.0.0.51", "127.0.0.50"):
            await crowd.enter_async_context(newcomer(front.port, source, b""))
        await eventually(lambda: front.clients == 2)
        guest = await crowd.enter_async_context(newcomer(front.port, "127.0.0.50"))
        assert await guest.let_in()
        await until_inside(front, 2)


async def test_who_has_begun_stays(lock: Lock) -> None:
    """No crowd takes the place of somebody who works: newcomers are closed, and her session goes on."""
    outer = replace(lock.outer, clients=1, silent_seconds=0.0)
    async with fronted(outer) as front, relayed(lock.inner, front.relay_port):
        await eventually(lambda: front.waiting == WAITING)
        known = lock.bastion.client.known_hosts.read_text().split(maxsplit=1)[1].strip()
        client = SshClient("127.0.0.1", front.port, known, lock.bastion.directory)
        command = client.command("alice+scan01", options=["-tt", "-b", HOME])
        async with client.terminal(command, answers=lock.bastion.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            async with newcomer(front.port, "127.0.0.50") as over:
                assert await over.sent_away() == b""
            terminal.send(b"echo here-$((40+2)); exit\r")
            await terminal.expect(b"here-42")
            assert await terminal.wait() == 0


async def test_the_front_s_audit_hears_the_gateway_through_the_lock(lock: Lock) -> None:
    """What technicians find at the front's port is what the gateway promises, asked by ssh-audit from the front's machine."""
    async with standing(lock) as (front, _):
        [symptom] = await own_port.offered("127.0.0.1", front.port)
    assert symptom.finding.key == "doctor.ssh_algorithms.blamed"
