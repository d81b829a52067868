"""``ecluse doctor`` on an installation that is really ill: each symptom is provoked on a real file or port."""

import os
import pwd
import resource
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ecluse import settings
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.diagnosis.machine import ASYNCSSH_VERSION
from ecluse.presence import announced
from policy import i18n
from policy.clock import SystemClock
from policy.domain.people import Language
from policy.vault.keyring import Keyring
from tests.support.installed import change, doctor, ecluse, findings, init

NOT_ABOUT_THE_FILES = {
    "doctor.backup",
    "doctor.clock",
    "doctor.flows",
    "doctor.routing",
    "doctor.self_audit",
    "doctor.stores",
    "doctor.trace_store",
    "doctor.users",
    "doctor.descriptors",
    "doctor.checkpoint_anchors",
}
"""Of a fresh evaluation on this machine, these may be less than good."""


def data(config: Path) -> Path:
    """The data directory."""
    return config.parent


def test_a_fresh_installation_is_well(config: Path) -> None:
    """Straight after ``init`` nothing fails, and what is to notice is said to be of the machine's size."""
    found = doctor(config).values()
    assert [symptom for symptom in found if symptom["level"] == "failed"] == []
    assert {symptom["check"] for symptom in found if symptom["level"] == "notice"} <= NOT_ABOUT_THE_FILES


def test_it_changes_nothing(config: Path) -> None:
    """Looking leaves every file's content as it was."""
    before = {path: path.read_bytes() for path in data(config).rglob("*") if path.is_file()}
    doctor(config)
    after = {path: path.read_bytes() for path in before}
    assert after == before


@pytest.mark.parametrize("language", ["fr", "en"])
def test_it_speaks_the_screen_s_language(config: Path, language: str) -> None:
    """The table has the sentences of one language and none of the other; a failure is exit code 1."""
    (data(config) / "keys/host_ed25519").chmod(0o644)
    done = ecluse("doctor", "--config", str(config), language=language)
    assert done.exit_code == 1
    said = {"fr": "d’autres y ont accès", "en": "others can reach it"}
    other = {"fr": said["en"], "en": said["fr"]}
    assert said[language] in done.stdout
    assert other[language] not in done.stdout


@pytest.mark.parametrize("language", list(Language))
def test_every_remedy_and_finding_is_in_the_catalogues(language: Language) -> None:
    """What is not good has its way out beside it, in both languages."""
    templates = i18n.load("ecluse").templates("doctor.", language)
    bad = [key for key in templates if key.count(".") > 2 and key.endswith(".remedy")]
    assert len(bad) > 30
    assert [key for key in bad if key.removesuffix(".remedy") not in templates] == []


@pytest.mark.parametrize(
    "name",
    [
        "keys/host_ed25519",
        "keys/trace-signing.pem",
        "tls/api.key",
        "tls/ca.key",
        "policy.db",
        "traces.db",
        "keys/vault",
        "spool",
        "traces",
        "search",
        "",
    ],
)
def test_what_others_can_reach_fails(config: Path, name: str) -> None:
    """A key, database or directory open to the group or to others is named, with the command that closes it."""
    path = data(config) / name
    path.chmod(0o755 if path.is_dir() else 0o640)
    found = [
        symptom
        for symptom in doctor(config).values()
        if symptom["finding"] == "doctor.permissions.open" and symptom["arguments"]["path"] == str(path)
    ]
    assert [symptom["level"] for symptom in found] == ["failed"]
    assert found[0]["remedy"] == f"chmod go= {path}"


def test_an_exposed_vault_key_fails_in_both_languages(config: Path) -> None:
    """The keyring's own complaint about a file's mode reaches the screen, in French too."""
    key = next(path for path in (data(config) / "keys/vault").glob("k*.key"))
    key.chmod(0o644)
    assert findings(config, "keyring") == [("unusable", "failed")]
    assert "peut être lu par d’autres" in ecluse("doctor", "--config", str(config), language="fr").stdout


def test_a_truncated_host_key_fails(config: Path) -> None:
    """Half a key is no key."""
    path = data(config) / "keys/host_ed25519"
    path.write_bytes(path.read_bytes()[:100])
    assert sorted(findings(config, "host_key")) == [("good", "good"), ("unreadable", "failed")]


def test_a_short_rsa_host_key_fails(config: Path) -> None:
    """RSA of 2048 bits is under what this gateway offers."""
    key = rsa.generate_private_key(65537, 2048)
    (data(config) / "keys/host_ecdsa").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    assert ("weak", "failed") in findings(config, "host_key")


def test_a_damaged_vault_key_fails(config: Path) -> None:
    """A vault key of the wrong length is found before the gateway needs it."""
    key = next(path for path in (data(config) / "keys/vault").glob("k*.key"))
    key.write_text("c2hvcnQ=\n")
    assert findings(config, "keyring") == [("unusable", "failed")]


def test_a_rotation_interrupted_or_not_cleared_up_is_noticed(config: Path) -> None:
    """A retired key that seals nothing is to be pruned; with secrets still under it, the rotation is to go on."""
    ring = Keyring.load(data(config) / "keys/vault")
    before = ring.current
    ring.make_current(ring.add_key())
    assert findings(config, "keyring") == [("retired", "notice")]
    with sqlite3.connect(data(config) / "policy.db") as database:
        person = database.execute("SELECT hospital_id, id FROM people").fetchone()
        columns = {row[1]: row for row in database.execute("PRAGMA table_info(totp_secrets)")}
        values = {name: "" for name, row in columns.items() if row[3]}
        values |= {"hospital_id": person[0], "person_id": person[1], "sealed": f"ecv1:{before}:AAAA"}
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        database.execute(f"INSERT INTO totp_secrets ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608 - names of our own schema
    assert findings(config, "keyring") == [("stale", "notice")]


def test_a_signing_key_of_another_kind_fails(config: Path) -> None:
    """An EC key where Ed25519 must be is told before a session needs it."""
    path = data(config) / "keys/trace-signing.pem"
    path.write_bytes((data(config) / "tls/ca.key").read_bytes())
    assert findings(config, "signing_key") == [("unusable", "failed")]


def test_a_console_that_does_not_know_the_signing_key_fails(config: Path) -> None:
    """With another node's public key alone, this node's traces would not verify."""
    assert init(data(config).parent / "other").exit_code == 0
    stranger = data(config).parent / "other/keys/trace-signing.pem.pub"
    change(config, "console", f'trace_public_keys = ["{stranger}"]')
    assert findings(config, "verifying_keys") == [("other", "failed")]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (timedelta(days=-3660), [("expired", "failed")]),
        (timedelta(days=-810), [("ending", "notice")]),
        (timedelta(days=400), [("early", "failed")]),
    ],
)
def test_a_certificate_made_at_another_time(
    config: Path, made: timedelta, found: list[tuple[str, str]]
) -> None:
    """One long expired, one about to expire, and one whose time has not come."""
    tls = data(config) / "tls"
    for name in ("api.key", "api.pem"):
        (tls / name).unlink()
    make_server_certificate(tls, ["127.0.0.1"], datetime.now(UTC) + made)
    assert findings(config, "certificate") == found


def test_an_expired_ca_fails(config: Path) -> None:
    """The authority that clients pin is looked at too."""
    tls = data(config) / "tls"
    for name in ("ca.key", "ca.pem"):
        (tls / name).unlink()
    make_authority(tls, "CH", datetime.now(UTC) - timedelta(days=3660))
    assert findings(config, "authority") == [("expired", "failed")]


def test_a_certificate_with_another_s_key_fails(config: Path) -> None:
    """A key that does not belong to the certificate would keep the API from speaking TLS."""
    assert init(data(config).parent / "other").exit_code == 0
    (data(config) / "tls/api.key").write_bytes((data(config).parent / "other/tls/api.key").read_bytes())
    assert findings(config, "certificate") == [("other_key", "failed")]


def test_a_port_that_another_program_holds_fails(config: Path) -> None:
    """The gateway's port, held by a stranger, fails; held by the gateway that runs, it is well."""
    port = settings.load(config).gateway.port
    with socket.create_server(("127.0.0.1", port)):
        assert sorted(findings(config, "port")) == [("free", "good"), ("taken", "failed")]
        with announced(data(config) / "run", "gateway", port):
            assert sorted(findings(config, "port")) == [("free", "good"), ("running", "good")]


def test_too_little_room_for_traces_fails(config: Path) -> None:
    """More room asked for than the disk has: no session would open."""
    change(config, "recorder", f"min_free_bytes = {1 << 60}")
    assert findings(config, "disk") == [("full", "failed")] * 2


def test_a_store_that_is_not_mounted_fails(config: Path) -> None:
    """A directory that is gone is named."""
    (data(config) / "traces").rmdir()
    assert ("missing", "failed") in findings(config, "disk")


def test_traces_left_by_a_dead_gateway_are_noticed(config: Path) -> None:
    """A trace's folder in the spool while no gateway runs: starting one puts it away."""
    (data(config) / "spool" / ("a" * 32)).mkdir()
    assert findings(config, "spool") == [("left", "notice")]
    with announced(data(config) / "run", "gateway", 1):
        assert findings(config, "spool") == [("live", "good")]


@pytest.mark.parametrize("name", ["policy", "trace"])
def test_databases_that_cannot_serve_fail(config: Path, name: str) -> None:
    """Another version's schema, a damaged file, a missing file: each fails, and no empty one is made."""
    path = data(config) / {"policy": "policy.db", "trace": "traces.db"}[name]
    with sqlite3.connect(path) as database:
        table = {"policy": "alembic_version", "trace": "recorder_version"}[name]
        database.execute(f"UPDATE {table} SET version_num = '9999'")  # noqa: S608 - one of two names above
    database.close()
    assert findings(config, f"{name}_database") == [("unusable", "failed")]
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 100)
    assert findings(config, f"{name}_database") == [("unusable", "failed")]
    path.unlink()
    assert findings(config, f"{name}_database") == [("absent", "failed")]
    assert not path.exists()


def test_a_certificate_of_its_own_making_is_noticed_where_others_come(config: Path, tmp_path: Path) -> None:
    """On loopback it serves; where technicians' browsers come it warns them, unless another CA signed it, for that name."""
    assert findings(config, "certificate") == [("good", "good")]
    change(config, "console", 'host = "0.0.0.0"')
    assert findings(config, "certificate") == [("own", "notice")]
    make_authority(tmp_path, "Another CA", SystemClock().now())
    make_server_certificate(tmp_path, ["bastion.example"], SystemClock().now())
    for name in ("api.pem", "api.key"):
        (data(config) / "tls" / name).write_bytes((tmp_path / name).read_bytes())
    assert findings(config, "certificate") == [("other_name", "failed")]
    change(config, "console", 'public_url = "https://bastion.example:8443"')
    assert findings(config, "certificate") == [("good", "good")]


def test_a_hospital_that_the_database_does_not_know_fails(config: Path) -> None:
    """Settings of another installation are told apart from their database."""
    text = config.read_text()
    known = settings.load(config).hospital_id
    config.write_text(text.replace(known, "0" * 32))
    assert findings(config, "policy_database") == [("other_hospital", "failed")]


def test_embedded_databases_and_one_user_are_called_what_they_are(config: Path) -> None:
    """An evaluation's stores and its single user are notices, not failures."""
    assert findings(config, "stores") == [("embedded", "notice")]
    assert findings(config, "users") == [("one", "notice")]


@pytest.fixture
def _few_descriptors() -> Iterator[None]:
    """This process may open 1024 files, until the test ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_few_descriptors")
def test_a_low_limit_of_open_files_is_noticed(config: Path) -> None:
    """1024 open files is a limit that a few hundred sessions reach."""
    assert findings(config, "descriptors") == [("few", "notice")]


def test_another_version_of_the_ssh_library_fails(config: Path, tmp_path: Path) -> None:
    """An asyncssh installed in front of the exact one is found by its own metadata."""
    other = tmp_path / "site" / "asyncssh-2.25.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: asyncssh\nVersion: 2.25.0\n")
    look = "from ecluse.diagnosis.machine import library; print(library().finding)"
    done = subprocess.run(
        [sys.executable, "-c", look],
        env={**os.environ, "PYTHONPATH": str(other.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "doctor.asyncssh.other" in done.stdout
    assert findings(config, "asyncssh") == [("good", "good")]
    assert ASYNCSSH_VERSION == "2.24.1"


def test_users_who_cannot_reach_their_files_are_named(config: Path) -> None:
    """A user that does not exist fails, and one whom ``init`` gave nothing is told which file comes first."""
    change(config, "gateway", 'user = "no-such-user"')
    change(config, "console", 'user = "nobody"')
    if pwd.getpwnam("nobody").pw_uid == os.geteuid():
        pytest.skip("these tests run as nobody")
    assert sorted(findings(config, "reach")) == [("refused", "failed"), ("unknown", "failed")]
    assert findings(config, "users") == [("good", "good")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_spool_that_cannot_be_written_fails(config: Path) -> None:
    """Without the right to write there, no session opens."""
    (data(config) / "spool").chmod(0o500)
    try:
        assert ("refused", "failed") in findings(config, "writable")
    finally:
        (data(config) / "spool").chmod(0o700)
