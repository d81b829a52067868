"""What each part of a self-audit finds of real servers, sockets and advisories, and what it says where it can ask nobody."""

import json
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse import settings
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.demo.device import DemoDevice
from ecluse.demo.ports import free_port
from ecluse.diagnosis.symptom import Level, Symptom
from ecluse.presence import announced
from ecluse.selfaudit import advisories, exposure, ledger, ssh, tls
from gateway.sshfix.algorithms import ENCRYPTION, KEX, MAC
from policy.clock import SystemClock
from policy.i18n import load
from tests.support.http_server import Answer, Asked, answering
from tests.support.installed import change

pytest_plugins = ["tests.support.sshd"]
pytestmark = pytest.mark.integration


def found(symptoms: Iterable[Symptom]) -> dict[str, str]:
    """What was found, with its level; each has its words in both languages."""
    told = {}
    for symptom in symptoms:
        for saying in (symptom.subject, symptom.finding, symptom.remedy):
            if saying is not None:
                for language in ("fr", "en"):
                    load("ecluse").translate(saying.key, language, timezone="UTC", **saying.arguments)
        assert (symptom.remedy is None) == (symptom.level is Level.GOOD)
        told[symptom.finding.key.removeprefix("doctor.")] = symptom.level.value
    return told


async def test_a_stock_sshd_offers_what_is_not_promised(device: DemoDevice) -> None:
    """Each algorithm that we do not promise is named: ssh-audit asked a real server."""
    symptoms = await ssh.offered(device.host, device.port)
    assert found(symptoms) == {"ssh_algorithms.beyond": "failed"}
    assert "umac-64" in str(symptoms[0].finding.arguments["algorithms"])


async def test_an_sshd_held_to_the_promise_is_good(tmp_path: Path) -> None:
    """The same server, told to offer what we promise and no more, is clean."""
    held = f"KexAlgorithms {','.join(KEX[:2])}\nCiphers {','.join(ENCRYPTION)}\nMACs {','.join(MAC)}\nCompression no\n"
    device = await DemoDevice.start(tmp_path / "scan01", "scan01", extra_config=held)
    try:
        assert found(await ssh.offered(device.host, device.port)) == {"ssh_algorithms.promised": "good"}
    finally:
        await device.stop()


async def test_nobody_who_answers_is_not_clean(config: Path) -> None:
    """Neither a closed port, nor one that speaks something else, nor a gateway that does not run gives a good word."""
    assert found(await ssh.offered("127.0.0.1", free_port())) == {"ssh_algorithms.silent": "undone"}
    with socket.create_server(("127.0.0.1", 0)) as mute, chattering(mute):
        told = await ssh.offered("127.0.0.1", mute.getsockname()[1])
        assert found(told) == {"ssh_algorithms.silent": "undone"}
    assert found(await ssh.port(settings.load(config))) == {"ssh_algorithms.silent": "undone"}
    silent = tls.port("127.0.0.1", free_port(), "127.0.0.1", config, datetime.now(UTC))
    assert found(silent) == {"tls_versions.silent": "undone"}


@contextmanager
def chattering(listening: socket.socket) -> Iterator[None]:
    """Answer everybody on *listening* with something that is no SSH, until the block ends."""

    def answer() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer:
                peer.sendall(b"220 mail.hospital.example ESMTP\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def speaking(folder: Path, *, old: bool = False, strict: bool = True) -> Iterator[int]:
    """A real TLS server with the certificate in *folder*, and the port it listens on; *old*: it takes whatever it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "api.pem", folder / "api.key")
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            context.minimum_version = ssl.TLSVersion.TLSv1
    else:
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    page = Answer(headers={"Strict-Transport-Security": "max-age=31536000"} if strict else {})
    with answering(lambda _asked: page, context) as port:
        yield port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, and a certificate of 127.0.0.1 by it."""
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder, "CH de Brive", datetime.now(UTC) - timedelta(days=1))
    make_server_certificate(folder, ["127.0.0.1"], datetime.now(UTC) - timedelta(days=1))
    return folder


def spoken(
    port: int, authority: Path, *, name: str = "127.0.0.1", at: datetime | None = None
) -> dict[str, str]:
    """What is found of the server at *port*."""
    return found(tls.port("127.0.0.1", port, name, authority / "ca.pem", at or datetime.now(UTC)))


def test_a_modern_server_is_clean_and_an_old_one_is_not(authority: Path) -> None:
    """TLS 1.0 refused, suites as promised, certificate believed, HSTS told; and each of these found where it lacks."""
    with speaking(authority) as port:
        assert spoken(port, authority) == {
            "tls_versions.modern": "good",
            "tls_suites.promised": "good",
            "tls_certificate.believed": "good",
            "tls_hsts.good": "good",
        }
    with speaking(authority, old=True, strict=False) as port:
        told = spoken(port, authority)
    assert (told["tls_versions.old"], told["tls_suites.weak"]) == ("failed", "failed")
    assert told["tls_hsts.missing"] == "failed"


def test_a_certificate_is_judged_as_clients_judge_it(authority: Path, tmp_path: Path) -> None:
    """Of another name, of an unknown CA, near its end, out of date: each is found, and none passes for believed."""
    with speaking(authority) as port:
        assert spoken(port, authority, name="other.example")["tls_certificate.other_name"] == "failed"
        make_authority(tmp_path, "another", datetime.now(UTC))
        assert spoken(port, tmp_path)["tls_certificate.chain"] == "notice"
        near, past = (datetime.now(UTC) + timedelta(days=days) for days in (810, 830))
        assert spoken(port, authority, at=near)["tls_certificate.ending"] == "notice"
        told = spoken(port, authority, at=past)
    assert told["tls_certificate.expired"] == "failed"
    assert "tls_certificate.believed" not in told


def test_what_listens_beyond_the_settings_is_found(config: Path) -> None:
    """A socket that others can reach is a finding until the settings name it; one on loopback is nobody's business."""

    def told() -> str:
        [symptom] = exposure.exposure(settings.load(config))
        return str(symptom.finding.arguments.get("listeners")) if symptom.level is Level.FAILED else ""

    with socket.create_server(("0.0.0.0", 0)) as open_one, socket.create_server(("127.0.0.1", 0)) as own:
        port, hidden = open_one.getsockname()[1], own.getsockname()[1]
        assert f"0.0.0.0:{port}/tcp" in told()
        assert f":{hidden}/" not in told()
        change(config, "self_audit", f'listens = ["{port}/udp"]')
        assert f":{port}/tcp" in told(), "another protocol"
        change(config, "self_audit", f'listens = ["{port}/tcp"]')
        assert f":{port}/tcp" not in told()
    with socket.create_server(("::", 0), family=socket.AF_INET6) as six:
        assert f"[::]:{six.getsockname()[1]}/tcp" in told()


def test_a_program_may_listen_where_its_settings_say_and_nowhere_else(config: Path) -> None:
    """The gateway's own port is expected at the gateway's own address: on every address it is a finding."""
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        change(config, "gateway", f"port = {port}")
        with announced(settings.load(config).run_directory, "gateway", port):
            [symptom] = exposure.exposure(settings.load(config))
            assert f"0.0.0.0:{port}/tcp" in str(symptom.finding.arguments["listeners"])
            change(config, "gateway", 'host = "0.0.0.0"')
            [symptom] = exposure.exposure(settings.load(config))
            assert f":{port}/tcp" not in str(symptom.finding.arguments) or symptom.level is Level.GOOD


def test_who_takes_one_address_from_a_program_that_listens_everywhere_is_found(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's port at an address of its own beside the gateway's everywhere: the settings name the port, not him."""
    head, rest = "  sl  local_address rem_address   st", "00000000:0000 0A 0 0"
    places = ("00000000:08AE", "0100090A:08AE")  # 0.0.0.0:2222 and 10.9.0.1:2222
    for name in ("tcp", "udp"):
        lines = (
            [f"   {number}: {place} {rest}" for number, place in enumerate(places)] if name == "tcp" else []
        )
        (tmp_path / name).write_text("\n".join([head, *lines, ""]))
    change(config, "gateway", "port = 2222")
    change(config, "gateway", 'host = "0.0.0.0"')
    found_there = exposure.listeners(tmp_path)
    monkeypatch.setattr(exposure, "listeners", lambda: found_there)
    [symptom] = exposure.exposure(settings.load(config))
    assert symptom.finding.arguments["listeners"] == "10.9.0.1:2222/tcp"
    monkeypatch.setattr(exposure, "listeners", lambda: found_there[:1])
    [symptom] = exposure.exposure(settings.load(config))
    assert symptom.level is Level.GOOD


def test_a_kernel_that_does_not_tell_is_not_clean(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the list cannot be read, the part is undone."""
    with pytest.raises(OSError, match="tcp"):
        exposure.listeners(tmp_path)
    monkeypatch.setattr(
        exposure, "listeners", lambda: exposure.__dict__["_sockets"](tmp_path, "tcp").__next__()
    )
    assert found(exposure.exposure(settings.load(config))) == {"exposure.unseen": "undone"}


def osv(asked: Asked, known: str | None) -> Answer:
    """Answer one query as a mirror of the OSV database does that knows one vulnerable package, or none."""
    affected = {
        "package": {"name": known, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
    }
    fault = {
        "id": "PYSEC-2026-1",
        "summary": "bad",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [affected],
    }
    name = json.loads(asked.body)["package"]["name"]
    return Answer(json.dumps({"vulns": [fault]} if name == known else {}).encode())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two packages are installed."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("pyte", "wcwidth"):
        about = folder / f"{name}-0.8.2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.8.2\n")
        (about / "RECORD").write_text("")
    return folder


@pytest.mark.parametrize(
    ("known", "told"),
    [(None, {"advisories.good": "good"}), ("pyte", {"advisories.vulnerable": "failed"})],
)
async def test_advisories_are_those_of_the_mirror(
    known: str | None, told: dict[str, str], packages: Path
) -> None:
    """The hospital's own mirror is asked about all that is installed, by pip-audit itself."""
    with answering(lambda asked: osv(asked, known)) as port:
        symptoms = await advisories.advisories(f"http://127.0.0.1:{port}/v1/query", packages)
    assert found(symptoms) == told


async def test_advisories_that_cannot_be_had_are_not_good_news(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a mirror that does not answer nor a machine without pip-audit passes for audited."""
    told = await advisories.advisories(f"http://127.0.0.1:{free_port()}/v1/query", packages)
    assert found(told) == {"advisories.not_audited": "undone"}
    monkeypatch.setattr(advisories, "program", lambda: None)
    assert found(await advisories.advisories(None)) == {"advisories.no_program": "undone"}


async def test_the_journal_is_walked(config: Path) -> None:
    """A journal of one installation is good; one that is not there was not walked."""
    assert found(await ledger.ledger(settings.load(config), SystemClock())) == {"ledger.good": "good"}
    (config.parent / "traces.db").unlink()
    assert found(await ledger.ledger(settings.load(config), SystemClock())) == {"ledger.unread": "undone"}
