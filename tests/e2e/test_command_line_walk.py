"""A stranger with the ``ecluse`` command alone: from an empty folder, through the lock, to the proof of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ecluse.demo.device import DemoDevice
from tests.support.installation import Installation
from tests.support.ssh_client import SshClient
from tests.support.stranger import Stranger, ecluse
from tests.support.waiting import answered

pytestmark = pytest.mark.e2e

PARIS = ZoneInfo("Europe/Paris")
REASON = "Maintenance reportée"


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[DemoDevice]:
    """A real sshd to reach."""
    started = await DemoDevice.start(tmp_path / "device", "scan01")
    yield started
    await started.stop()


async def declare(dsi: Stranger, device: DemoDevice) -> None:
    """Supplier, zone, device, secret in the vault, host key compared and pinned, account tried."""
    await dsi.done("suppliers", "add", "Imagix", "--site", "Lyon,FR,127.0.0.0/8")
    await dsi.done("zones", "add", "admin")
    place = ("--zone", "admin", "--address", device.host, "--port", str(device.port))
    await dsi.done("devices", "add", "scan01", *place)
    secret = dsi.folder / "secret"
    how, text = "--password-file", device.account.password
    if text is None:
        how, text = "--key-file", device.account.private_key
    secret.write_text(f"{text}\n")
    await dsi.done("accounts", "add", "scan01", "maint", how, str(secret))
    untrusted = await dsi.refused("accounts", "try", "scan01", "maint")
    assert "host key" in untrusted
    shown = await dsi.json("hostkeys", "fetch", "scan01")
    true_key = device.host_key_public.split()[:2]
    assert true_key in [key["public_key"].split()[:2] for key in shown]
    await dsi.done("hostkeys", "pin", "scan01", " ".join(true_key))
    await dsi.done("accounts", "try", "scan01", "maint")


async def plan(dsi: Stranger, denis: Stranger) -> None:
    """One asks for an hour from now and cannot approve it; ``why`` says so; the other approves."""
    now = datetime.now(UTC)
    start, end = (
        each.astimezone(PARIS).strftime("%Y-%m-%d %H:%M") for each in (now, now + timedelta(hours=1))
    )
    planned = await dsi.json(
        *("windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "scan01"),
        *("--start", start, "--end", end, "--channel", "shell", "--channel", "exec", "--channel", "sftp-up"),
        *("--purpose", "Mise à jour 4.2"),
    )
    window = planned["window"]["id"][:8]
    assert "four eyes" in await dsi.refused("windows", "approve", window)
    closed = await dsi.refused("why", "alice", "scan01", "--from", "127.0.0.1")
    assert "✗ O3" in closed
    await denis.done("windows", "approve", window)


async def explain(dsi: Stranger) -> None:
    """``why`` prints every rule: all held now, O3 failed tomorrow, C2 failed from elsewhere; with the next opening."""
    opened = await dsi.done("why", "alice", "scan01", "--from", "127.0.0.1")
    assert "✗" not in opened
    for rule in ("O3", "C2", "T9", "T10", "T5", "E3", "E4"):
        assert f"✓ {rule} " in opened, rule
    tomorrow = datetime.now(PARIS) + timedelta(days=1)
    late, early, elsewhere = await asyncio.gather(
        dsi.refused("why", "alice", "scan01", "--at", tomorrow.isoformat(), "--from", "127.0.0.1"),
        dsi.refused("why", "alice", "scan01", "--at", (tomorrow - timedelta(days=2)).isoformat()),
        dsi.refused("why", "alice", "scan01", "--from", "203.0.113.9"),
    )
    assert "✗ O3" in late
    assert datetime.now(PARIS).strftime("%Y-%m-%d") in early  # the next opening, from yesterday's eye
    assert "✗ C2" in elsewhere


async def cut(rssi: Stranger, ssh: SshClient, alice: Stranger) -> str:
    """Alice is in a shell; the security officer sees her, cuts her; she reads why. Return the session's id."""
    command = ssh.command("alice+scan01", options=["-tt"])
    async with ssh.terminal(command, answers=[alice.password, alice.code()]) as terminal:
        await terminal.expect(b"maint@scan01")
        terminal.send(b"echo ecl''use-was-here\n")
        await terminal.expect(b"ecluse-was-here")
        (live,) = await rssi.json("sessions", "list")
        assert (live["person_login"], live["device_name"]) == ("alice", "scan01")
        await rssi.done("sessions", "cut", live["id"][:8], "--reason", REASON)
        await terminal.expect(REASON.encode())
        assert await terminal.wait() == 255

    async def none_open() -> bool:
        return not await rssi.json("sessions", "list")

    await answered(none_open)  # the person is outside first, the books follow
    past = await rssi.done("sessions", "list", "--past")
    assert "alice" in past
    return str(live["id"])


async def prove(rssi: Stranger, session: str, public_key: Path) -> None:
    """The trace is listed, read, exported and verified, here and offline; one changed byte is found; so the journal."""
    why = ("--reason", "Essai")
    folder, cast = rssi.folder / "evidence", rssi.folder / "session.cast"
    listed, text, verified, journal = await asyncio.gather(
        rssi.done("traces", "list"),
        rssi.done("traces", "transcript", session[:8], *why),
        rssi.run("traces", "verify", session[:8]),
        rssi.done("audit", "list", "--limit", "500"),
    )
    assert session[:8] in listed
    assert "ecluse-was-here" in text
    assert verified.status == 0, verified.text
    for event in ("logged in", "session opened", "session ended"):
        assert event in journal
    await asyncio.gather(
        rssi.done("traces", "export", session[:8], str(folder), "--format", "files", *why),
        rssi.done("traces", "export", session[:8], str(cast), *why),
    )
    assert json.loads(cast.read_text().splitlines()[0])["term"]["cols"] == 80
    offline = ("traces", "verify", str(folder), "--public-key", str(public_key))
    await rssi.done(*offline)
    trace = folder / "trace-000001.ecl"
    content = bytearray(trace.read_bytes())
    content[-2] ^= 1
    trace.chmod(0o600)
    trace.write_bytes(content)
    assert "record" in await rssi.refused(*offline)
    assert "intact" in await rssi.done("audit", "verify")


async def test_from_an_empty_folder_to_the_proof(tmp_path: Path, device: DemoDevice) -> None:
    """Init, serve, enrol, plan by one, approve by another, in through ssh, cut, verify, rotate the vault, doctor."""
    made = Installation(tmp_path)
    invitations = await made.init()
    dsi, denis, rssi, alice = (made.person(login) for login in ("dsi", "denis", "rssi", "alice"))
    async with made.served():
        await asyncio.gather(dsi.enrol(invitations["dsi"]), denis.enrol_by_script(invitations["denis"]))
        await asyncio.gather(dsi.log_in(), denis.log_in())
        assert "Denise Martin" in await dsi.done("whoami")
        await declare(dsi, device)
        her = ("--name", "Alice Bernard", "--email", "alice@imagix.example")
        invited = await dsi.json("people", "invite", "alice", "--supplier", "Imagix", *her)
        his = ("--name", "Rosa Simon", "--email", "rssi@hospital.example", "--role", "security")
        officer = await dsi.json("people", "invite", "rssi", *his)
        await asyncio.gather(
            alice.enrol(invited["invitation"]["token"]), rssi.enrol_by_script(officer["invitation"]["token"])
        )
        await rssi.log_in()
        await plan(dsi, denis)
        await explain(dsi)
        ssh = made.ssh()
        session = await cut(rssi, ssh, alice)
        await prove(rssi, session, made.data / "keys" / "trace-signing.pem.pub")
        where = ("--config", str(made.config))
        environment = dsi.environment
        rotated = await ecluse("vault", "rotate", *where, environment=environment)
        assert rotated.status == 0, rotated.text
        again = await ssh.ssh("alice+scan01", "exit 3", answers=[alice.password, alice.code()])
        assert again.rc == 3, again.said  # under the new key, in the same processes
        healthy = await ecluse("doctor", *where, environment=environment)
        assert healthy.status == 0, healthy.text
        (made.data / "keys" / "trace-signing.pem").chmod(0o644)
        ill = await ecluse("doctor", *where, "--json", environment=environment)
        (made.data / "keys" / "trace-signing.pem").chmod(0o600)
        assert ill.status == 1
        failed = [one for one in json.loads(ill.out) if one["level"] == "failed"]
        assert any("trace-signing.pem" in one["subject"] and "chmod" in one["remedy"] for one in failed)
