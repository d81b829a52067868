"""The two-tier lock's front audits itself, and what it found comes into the journal by hand, from inside."""

import asyncio
import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admin_api.selfaudit import history
from admin_api.selfaudit.report import Outcome, PartResult, Predecessor, Report
from ecluse import airlock, settings
from ecluse.selfaudit import advisories, front, ssh, tls
from gateway.airlock.front import Front
from policy.clock import SystemClock
from policy.domain.ids import new_id
from recorder.seal.signing import SigningKey, generate_key
from tests.support.installed import ecluse, findings

pytestmark = pytest.mark.integration


async def test_a_front_is_looked_at_from_its_own_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its TLS, files and certificates; without a relay, what comes through it is undone, and so is the whole at best."""
    monkeypatch.setattr(advisories, "program", lambda: None)
    folder, _ = airlock.make_keys(tmp_path, "front.hospital.example:7022", datetime.now(UTC))
    chosen = airlock.load(folder / airlock.FILE)
    assert chosen.front is not None
    section = chosen.front.model_copy(
        update={"host": "127.0.0.1", "port": 0, "relay_host": "127.0.0.1", "relay_port": 0}
    )
    running = Front(
        replace(airlock.front_settings(section, folder), patience_seconds=0.05, drain_seconds=0.1)
    )
    await running.start()
    try:
        section = section.model_copy(update={"port": running.port, "relay_port": running.relay_port})
        (folder / "front.key").chmod(0o644)
        made = await front.audit(
            *(chosen, section, folder, SystemClock()), occasion="asked", previous=None, tell=lambda *_: None
        )
    finally:
        await running.drain()
    found = {check.finding: check.level for part in made.parts for check in part.checks}
    assert [part.part for part in made.parts] == [
        *("ssh", "tls", "exposure", "files", "advisories", "clock", "machine")
    ]
    assert made.parts[0].outcome is Outcome.UNDONE
    assert found["doctor.tls_relays.good"] is Outcome.GOOD
    assert found["doctor.permissions.open"] is Outcome.FAILED, "the key that others read"
    assert found["doctor.lock_certificate.good"] is Outcome.GOOD
    assert (made.hospital_id, made.node) == ("", "front")


async def test_a_port_for_relays_that_takes_others_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS 1.2 is too much, and so is a word for who shows no certificate; nobody there is no good news."""
    monkeypatch.setattr(tls, "_SECONDS", 0.5)
    folder, _ = airlock.make_keys(tmp_path, "front.hospital.example:7022", datetime.now(UTC))

    async def found(least: ssl.TLSVersion) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = least
        context.load_cert_chain(folder / "front.pem", folder / "front.key")
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=context)
        async with server:
            [symptom] = await asyncio.to_thread(tls.relays, "127.0.0.1", server.sockets[0].getsockname()[1])
        return symptom.finding.key.removeprefix("doctor.tls_relays.")

    assert await found(ssl.TLSVersion.TLSv1_2) == "old"
    assert await found(ssl.TLSVersion.TLSv1_3) == "admitted"
    [nobody] = tls.relays("127.0.0.1", 1)
    assert nobody.finding.key == "doctor.tls_relays.silent"


def test_what_a_front_found_is_taken_by_its_registered_key_in_its_hours(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, newer than the newest, within six hours; by no other key, and of no other hospital."""
    key, other = generate_key(tmp_path / "front.pem"), generate_key(tmp_path / "other.pem")
    for node, one in (("front", "front"), ("other", "other")):
        public = str(tmp_path / f"{one}.pem.pub")
        assert ecluse("self-audit", "keys", "add", node, public, "--config", str(config)).exit_code == 0
    now = SystemClock().now()
    made = Report(
        *(),
        id=new_id(),
        hospital_id="",
        node="front",
        machine="front.hospital.example",
        occasion="nightly",
        made_at=now - timedelta(minutes=5),
        finished_at=now - timedelta(minutes=4),
        ecluse="0.1.0",
        parts=(PartResult(part="clock", checks=()),),
    )
    file = tmp_path / "audit.json"

    def report(one: Report, by: SigningKey) -> tuple[int, str]:
        file.write_bytes(one.signed(by))
        done = ecluse("self-audit", "report", str(file), "--config", str(config))
        return done.exit_code, done.output

    hours = timedelta(hours=7)
    consoles = SigningKey.load(settings.load(config).checkpoint_key)
    for wrong, by in (
        (made, other),
        (made, consoles),
        (replace(made, node="other"), key),
        (replace(made, hospital_id="f" * 32), key),
        (replace(made, made_at=made.made_at - hours, finished_at=made.finished_at - hours), key),
        (replace(made, made_at=made.made_at + hours, finished_at=made.finished_at + hours), key),
    ):
        assert report(wrong, by)[0] == 1
    assert findings(config, "self_audit_of") == [("never", "notice"), ("never", "notice")]
    assert report(made, key)[0] == 0
    assert findings(config, "self_audit_of") == [("good", "good"), ("never", "notice")]
    assert "no new one" in report(made, key)[1]
    later = replace(made, id=new_id(), node="other", made_at=now, finished_at=now)
    assert report(later, other)[0] == 0
    for bound in ("_READ", "_PAGE"):
        monkeypatch.setattr(history, bound, 1)
    assert "no new one" in report(made, key)[1], "however many of other machines are newer"
    settings.load(config).audit_keys.joinpath("another.pem.pub").write_text("no key")
    assert "no new one" in report(made, key)[1], "one key that cannot be read is that machine's fault alone"


def test_a_front_keeps_its_last_report_and_the_next_one_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, in place of the one before; one that its key did not sign is no predecessor; without a key, nothing."""
    monkeypatch.setattr(advisories, "program", lambda: None)
    monkeypatch.setattr(ssh, "offered", _nothing)
    monkeypatch.setattr(tls, "relays", lambda *_: [])
    folder, _ = airlock.make_keys(tmp_path, "front.hospital.example:7022", datetime.now(UTC))
    config, kept = str(folder / airlock.FILE), tmp_path / "kept.json"
    kept.write_text("nothing of ours")
    reports = []
    for _ in range(2):
        done = ecluse("airlock", "audit", "--config", config, "--out", str(kept), "--json")
        assert done.exit_code in {1, 3}, done.output
        reports.append(json.loads(kept.read_text()))
    assert reports[0]["previous"] is None
    assert Predecessor(**reports[1]["previous"]).id == reports[0]["id"]
    public = folder / "self-audit.pem.pub"
    assert ecluse("self-audit", "verify", str(kept), "--key", str(public)).exit_code == 0
    (folder / "self-audit.pem").unlink()
    public.unlink()
    refused = ecluse("airlock", "audit", "--config", config)
    assert (refused.exit_code, "--new-key" in refused.output) == (1, True)
    assert ecluse("airlock", "audit", "--config", config, "--new-key").exit_code == 0
    assert public.exists()


async def _nothing(*_arguments: object) -> list[object]:
    return []
