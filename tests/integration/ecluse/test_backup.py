"""A backup of a real installation: sealed, signed, restored on an empty place, and refused where anything is amiss."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

from ecluse import composition, settings
from ecluse.backup.making import make
from policy import services
from policy.clock import SystemClock
from policy.domain.ids import HospitalId
from policy.domain.programs import Program, ProgramKind
from policy.vault.secret import Secret
from recorder.capture.spool import Recorder
from recorder.replay.reader import verify as verify_trace
from recorder.seal.signing import PublicKey
from recorder.trace.frames import FrameType
from tests.support.installed import change, doctor, ecluse, init, install, on_own_ports, tree
from tests.support.purged_journal import purge_first_entry, take_first_entry
from tests.support.restored import Safe, backup_key
from tests.support.traces import header

SAID = {"backup_made": "last backup", "backup_rehearsed": "last rehearsal of a restoration"}
PASSWORD = "red walks in by the lock"


@dataclass(kw_only=True)
class House:
    """An installation with a trace and somebody who can log in, its backup, and the keys kept elsewhere."""

    config: Path
    archive: Path
    key: Path
    signer: Path
    passphrase: Path
    totp: str
    session_id: str
    live_id: str

    def run(self, *arguments: str | Path, language: str = "en") -> Any:
        """Run ``ecluse backup``."""
        words = [str(one) for one in arguments]
        return ecluse("backup", *words, language=language, ECLUSE_READER_PASSPHRASE_FILE=str(self.passphrase))

    def restore(self, archive: Path, directory: Path, **changed: Path) -> Any:
        """Restore *archive* into *directory* by the keys, or those *changed*."""
        keys = {"key": self.key, "signer": self.signer, **changed}
        return self.run("restore", archive, directory, "--key", keys["key"], "--signer", keys["signer"])


async def live_in(config: Path, invitation: str) -> tuple[str, str, str]:
    """Let one administrator enrol; record one session that ends and one that does not. Return her secret and both.

    The gateway ends without a word: its name is claimed still when the backup is made.
    """
    chosen = settings.load(config)
    clock = SystemClock()
    built = await services.build(composition.policy_settings(chosen), clock)
    try:
        token = Secret(invitation)
        enrolment = await built.people.enrol(token, Secret(PASSWORD))
        code = pyotp.TOTP(enrolment.secret.reveal()).at(clock.now())
        await built.people.confirm_totp(token, code)
        at = clock.now()
        gateway = Program(
            kind=ProgramKind.GATEWAY, node="node1", claim="0" * 32, host="gw-a", pid=812, version="0.1.0",
            policy_schema="0001", trace_schema="0001", started_at=at, beat_at=at,
        )  # fmt: skip
        await built.programs.take(gateway)
    finally:
        await built.close()
    recorder = Recorder(composition.recorder_settings(chosen), node="node1", now=clock.now)
    await recorder.start()
    ids = []
    for ends in (True, False):
        head = header(hospital_id=chosen.hospital_id, node="node1", started_at=clock.now())
        recording = await recorder.open(head, lambda error: None)
        recording.record(FrameType.OUTPUT, 1, b"what was on screen")
        if ends:
            await recording.close("left")
        ids.append(head.session_id)
    for name in ("spool", "traces"):  # as it stands while the second goes on
        shutil.copytree(config.parent / name, config.parent.parent / f"{name}-live")
    await recorder.stop()
    for name in ("spool", "traces"):
        shutil.rmtree(config.parent / name)
        shutil.copytree(config.parent.parent / f"{name}-live", config.parent / name)
    return enrolment.secret.reveal(), ids[0], ids[1]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The installation, and its backup."""
    folder = tmp_path_factory.mktemp("backup")
    safe = folder / "safe"
    safe.mkdir()
    made = init(folder / "data", "--json")
    invitation = json.loads(made.stdout)["invitations"]["dsi"]
    config = folder / "data/ecluse.toml"
    on_own_ports(config)  # the doctor looks whether they are free
    totp, session_id, live_id = asyncio.run(live_in(config, invitation.rpartition("/")[2]))
    kept, archive = Safe.made(safe, config), folder / "one.backup"
    found = House(
        config=config, archive=archive, key=kept.key, signer=kept.signer, passphrase=kept.passphrase,
        totp=totp, session_id=session_id, live_id=live_id,
    )  # fmt: skip
    done = found.run("make", archive, "--config", config)
    assert done.exit_code == 0, done.output
    return found


def claims(config: Path) -> int:
    """Count the processes that have a name in the installation."""
    with closing(sqlite3.connect(config.parent / "policy.db")) as connection:
        found: int = connection.execute("SELECT count(*) FROM programs").fetchone()[0]
    return found


def another(house: House, directory: Path) -> Path:
    """Return the settings of another installation, whose backups are sealed for the same key."""
    config = install(directory)
    shutil.copy(f"{house.key}.pub", directory / "keys/backup.pem.pub")
    change(config, "backup", 'recipients = ["keys/backup.pem.pub"]')
    return config


async def log_in(config: Path, totp: str) -> str:
    """Log in with the password and a code, and return the login of who came in."""
    chosen, clock = settings.load(config), SystemClock()
    built = await services.build(composition.policy_settings(chosen), clock)
    try:
        attempt = await built.login.begin("dsi", "127.0.0.1", hospital_id=HospitalId(chosen.hospital_id))
        code = pyotp.TOTP(totp).at(clock.now() + timedelta(seconds=30))
        person = await attempt.check_password_and_code(Secret(PASSWORD), code)
        return person.login
    finally:
        await built.close()


def test_an_empty_place_becomes_the_installation_again(house: House, tmp_path: Path) -> None:
    """Restored, the doctor finds nothing wrong, a person logs in with both factors, the trace and the journal verify."""
    data = tmp_path / "restored"
    done = house.restore(house.archive, data)
    assert done.exit_code == 0, done.output
    assert [path for path in tmp_path.iterdir() if path != data] == []
    config = data / "ecluse.toml"
    failed = [symptom for symptom in doctor(config).values() if symptom["level"] == "failed"]
    assert failed == []
    assert asyncio.run(log_in(config, house.totp)) == "dsi"
    assert (claims(house.config), claims(config)) == (1, 0)  # nobody is waited for
    key = PublicKey.load(data / "keys/trace-signing.pem.pub")
    traces = [path.parent for path in (data / "traces").rglob("manifest.json")]
    assert [verify_trace(path, key).intact for path in traces] == [True]
    assert [path.name for path in (data / "spool").iterdir() if path.is_dir()] == [house.live_id]
    left_out = {"run", "search", "backups"}
    kept = {name for name in tree(house.config.parent) if name.split("/")[0] not in left_out}
    assert {name for name in kept if not name.endswith(("-wal", "-shm"))} - set(tree(data)) == set()


def test_a_backup_verifies_without_any_private_key(house: House) -> None:
    """The public key of the checkpoints is enough to know that it is whole, and who made it."""
    done = house.run("verify", house.archive, "--signer", house.signer, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["hospital_id"] == settings.load(house.config).hospital_id


def test_nothing_of_it_is_in_the_clear(house: House) -> None:
    """Neither a key's file nor a name stands in the archive: who copies it has nothing."""
    content = house.archive.read_bytes()
    for path in (house.config.parent / "keys").rglob("*"):
        if path.is_file() and not path.name.endswith(".pub"):
            assert path.read_bytes().strip() not in content, path
    for word in (b"PRIVATE KEY", b"denise.martin", b"SQLite format"):
        assert word not in content


def flipped(at: float) -> Callable[[bytes], bytes]:
    """Change one bit at that part of the archive."""

    def change_bit(data: bytes) -> bytes:
        place = min(len(data) - 1, int(len(data) * at))
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return change_bit


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (flipped(0.002), "cut off, was changed"),
        (flipped(0.5), "cut off, was changed"),
        (flipped(1.0), "cut off, was changed"),
        (lambda data: data[:-1], "cut off, was changed"),
        (lambda data: data[: len(data) // 2], "cut off, was changed"),
        (lambda data: data + b"x", "cut off, was changed"),
        (lambda data: b"", "no backup of Écluse"),
        (lambda data: b"PK" + data, "no backup of Écluse"),
    ],
)
def test_a_spoilt_archive_leaves_nothing_behind(
    house: House, tmp_path: Path, spoil: Callable[[bytes], bytes], said: str
) -> None:
    """A bit changed, bytes cut off or added: refused before anything is opened, and no half of a restoration stays."""
    archive = tmp_path / "spoilt.backup"
    archive.write_bytes(spoil(house.archive.read_bytes()))
    done = house.restore(archive, tmp_path / "restored")
    assert (done.exit_code, said in done.stderr) == (1, True), done.output
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.backup"]


def test_who_can_seal_cannot_forge(house: House, tmp_path: Path) -> None:
    """An archive of another installation, sealed for the same key, is refused by the signer's key, in French too."""
    other = another(house, tmp_path / "other")
    forged = tmp_path / "forged.backup"
    assert house.run("make", forged, "--config", other).exit_code == 0
    done = house.run(
        *("restore", forged, tmp_path / "restored", "--key", house.key, "--signer", house.signer),
        language="fr",
    )
    assert (done.exit_code, "ne vient pas du détenteur" in done.stderr) == (1, True)
    assert not (tmp_path / "restored").exists()


def test_another_private_key_opens_nothing(house: House, tmp_path: Path) -> None:
    """Who has a key that it was not sealed for is told so, and nothing is left."""
    stranger = tmp_path / "stranger.pem"
    backup_key(stranger)
    done = house.restore(house.archive, tmp_path / "restored", key=stranger)
    assert (done.exit_code, "not sealed for the key" in done.stderr) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stranger.pem", "stranger.pem.pub"]


def test_nothing_is_restored_over_something(house: House, tmp_path: Path) -> None:
    """A folder that is not empty stays as it is."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("mine")
    done = house.restore(house.archive, tmp_path / "there")
    assert (done.exit_code, "is not empty" in done.stderr) == (1, True)
    assert tree(tmp_path) == ["there", "there/file"]


def test_a_private_key_on_the_machine_stops_the_backup(house: House, tmp_path: Path) -> None:
    """Keys are escrowed apart: a machine that could open its own backups makes none, and no draft stays."""
    private = house.config.parent / "keys/backup.pem"
    shutil.copy(house.key, private)
    try:
        done = house.run("make", tmp_path / "two.backup", "--config", house.config)
        found = doctor(house.config)
    finally:
        private.unlink()
    assert [key for key, one in found.items() if one["level"] == "failed"] == [
        f"doctor.backup_key.private backup key {private}.pub"
    ]
    assert (done.exit_code, "lies on this machine" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_is_proved_and_kept_in_the_journal(house: House, tmp_path: Path) -> None:
    """The proof says what stood there, is signed by the restored key, and a changed one is not taken."""
    proof = tmp_path / "proof.json"
    done = house.run("rehearse", house.archive, proof, "--key", house.key, "--signer", house.signer, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["traces"] == {"intact": 1, "broken": []}
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_bytes(proof.read_bytes().replace(b'"intact":1', b'"intact":2'))
    assert house.run("record", spoilt, "--config", house.config).exit_code == 1
    assert house.run("record", proof, "--config", house.config).exit_code == 0
    with sqlite3.connect(house.config.parent / "traces.db") as journal:
        names = [
            name for (name,) in journal.execute("SELECT name FROM journal_entries WHERE name LIKE 'backup.%'")
        ]
    assert sorted(names) == ["backup.made", "backup.verified"]
    told = doctor(house.config)
    assert {told[f"doctor.{one}.good {said}"]["level"] for one, said in SAID.items()} == {"good"}


def test_old_archives_of_the_folder_make_room(house: House) -> None:
    """``--keep 2`` leaves the two newest of the folder, which is no part of a backup itself."""
    folder = house.config.parent / "backups"
    folder.mkdir(exist_ok=True)
    for day in (1, 2, 3):
        (folder / f"ecluse-2020010{day}-020000.backup").write_bytes(b"old")
    assert house.run("make", "--keep", "2", "--config", house.config).exit_code == 0
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 2
    assert left[0] == "ecluse-20200103-020000.backup"


def test_what_the_store_gets_meanwhile_is_there_whole(house: House, tmp_path: Path) -> None:
    """A trace that is sealed while the backup runs is in it as it was at the end: what came is there, what went is not."""
    traces = house.config.parent / "traces"
    folder = next(path.parent for path in traces.rglob("manifest.json"))
    (folder / "tail").write_bytes(b"the last piece, not sealed yet")
    (folder / "growing").write_bytes(b"short")

    def tell(name: str, _done: int, _total: int) -> None:
        if "/spool" in name and (folder / "tail").exists():
            (folder / "tail").unlink()
            (folder / "growing").write_bytes(b"short, and longer since")
            (folder / "sealed").write_bytes(b"the last piece, sealed")

    archive = tmp_path / "moving.backup"
    try:
        make(settings.load(house.config), house.config, archive, datetime.now(UTC), tell)
    finally:
        for name in ("tail", "growing", "sealed"):
            (folder / name).unlink(missing_ok=True)
    assert house.restore(archive, tmp_path / "restored").exit_code == 0
    back = tmp_path / "restored/traces" / folder.relative_to(traces)
    assert (back / "sealed").read_bytes() == b"the last piece, sealed"
    assert (back / "growing").read_bytes() == b"short, and longer since"
    assert not (back / "tail").exists()


def test_settings_that_lie_elsewhere_are_kept_and_said(house: House, tmp_path: Path) -> None:
    """Where a package puts them in /etc, they come back beside the data, the way to their place is told, and it is proved."""
    etc = tmp_path / "etc"
    etc.mkdir()
    config = etc / "ecluse.toml"
    config.write_text(f'data_dir = "{house.config.parent}"\n{house.config.read_text()}')
    own, away = house.config, house.config.with_suffix(".away")
    own.rename(away)
    try:
        made = house.run("make", tmp_path / "one.backup", "--config", config)
    finally:
        away.rename(own)
    assert made.exit_code == 0, made.output
    done = house.restore(tmp_path / "one.backup", tmp_path / "restored")
    assert (done.exit_code, f"{config} lay outside" in done.stdout) == (0, True), done.output
    kept = tmp_path / f"restored/elsewhere{config}"
    assert kept.read_text() == config.read_text()
    keys = ("--key", house.key, "--signer", house.signer)
    proved = house.run("rehearse", tmp_path / "one.backup", tmp_path / "proof.json", *keys, "--json")
    assert json.loads(proved.stdout)["traces"]["intact"] == 1


def test_a_rehearsal_beside_what_runs_leaves_its_databases(house: House, tmp_path: Path) -> None:
    """A database outside of the directory is not written over; where it is not there a rehearsal takes it away again."""
    config = another(house, tmp_path / "data")
    running = tmp_path / "srv/policy.db"
    running.parent.mkdir()
    (config.parent / "policy.db").rename(running)
    change(config, "policy_database", f'url = "sqlite:///{running}"')
    borrowed = config.parent / "keys/borrowed"
    borrowed.touch()
    borrowed.chmod(0o4755)
    archive, directory = tmp_path / "one.backup", tmp_path / "restored"
    assert house.run("make", archive, "--config", config).exit_code == 0
    keys = {"key": house.key, "signer": config.parent / "keys/checkpoint-signing.pem.pub"}
    rehearsal = [word for name, path in keys.items() for word in (f"--{name}", path)]
    was = (running.stat().st_ino, running.read_bytes())
    for done in (
        house.restore(archive, directory, **keys),
        house.run("rehearse", archive, tmp_path / "proof.json", *rehearsal),
    ):
        assert (done.exit_code, f"{running} is there already" in done.stderr) == (1, True), done.output
    assert (running.stat().st_ino, running.read_bytes()) == was
    running.unlink()
    done = house.run("rehearse", archive, tmp_path / "proof.json", *rehearsal)
    assert done.exit_code == 0, done.output
    assert list(running.parent.iterdir()) == []
    assert house.restore(archive, directory, **keys).exit_code == 0
    # whoever signs archives makes nobody root by one
    assert (directory / "keys/borrowed").stat().st_mode & 0o7777 == 0o755
    assert running.exists()


@pytest.mark.parametrize(
    ("lose", "code", "said"),
    [
        (purge_first_entry, 0, '"intact": true'),
        (take_first_entry, 1, "purge record 1: key 0000000000000000, which signed it, is not known here"),
    ],
    ids=["by the journal's own rule", "by a record that nobody signed"],
)
def test_a_rehearsal_believes_signed_records_of_what_is_gone(
    house: House, tmp_path: Path, lose: Callable[[Path], Coroutine[Any, Any, None]], code: int, said: str
) -> None:
    """After the journal's twelve months an archive is proved all the same; entries that somebody took leave no proof."""
    config = another(house, tmp_path / "data")
    asyncio.run(lose(config))
    keys = ("--key", house.key, "--signer", config.parent / "keys/checkpoint-signing.pem.pub")
    archive, proof = tmp_path / "one.backup", tmp_path / "proof.json"
    assert house.run("make", archive, "--config", config).exit_code == 0
    done = house.run("rehearse", archive, proof, *keys, "--json")
    assert (done.exit_code, said in done.output, proof.exists()) == (code, True, code == 0), done.output
