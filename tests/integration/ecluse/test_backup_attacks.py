"""Root makes backups of folders that others write into: what they put there in the place of a file is not read for them."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecluse import settings
from ecluse.backup import making
from ecluse.backup.databases import copy
from ecluse.backup.restoring import Targets, restore
from ecluse.errors import BackupError
from embedded.sqlite import opened
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import ReaderKey
from tests.support.installed import install
from tests.support.restored import Safe

pytestmark = pytest.mark.integration
SECRET = "what root alone may read"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of an installation whose backups are sealed for a key that is kept elsewhere."""
    folder = tmp_path_factory.mktemp("attacked")
    config = install(folder / "data")
    Safe.made(folder, config)
    return config


def by_link(place: Path, secret: Path) -> None:
    """Put a link to the secret in the place of the file."""
    place.unlink()
    place.symlink_to(secret)


def by_folder(place: Path, secret: Path) -> None:
    """Put a link to the secret's folder in the place of the file's folder."""
    for one in place.parent.iterdir():
        one.unlink()
    place.parent.rmdir()
    place.parent.symlink_to(secret.parent)


def by_pipe(place: Path, secret: Path) -> None:
    """Put a pipe there, from which nothing ever comes."""
    assert secret.exists()
    place.unlink()
    os.mkfifo(place)


@pytest.mark.parametrize(
    "exchange", [by_link, by_folder, by_pipe], ids=["a link", "a linked folder", "a pipe"]
)
def test_what_is_exchanged_between_look_and_read_is_left_out(
    installation: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exchange: Callable[[Path, Path], None],
) -> None:
    """The spool's user swaps a file once root has seen it: the archive is made, and holds nothing that it leads to."""
    chosen = settings.load(installation)
    place, secret = chosen.spool / "session/trace.ecl", tmp_path / "root/trace.ecl"
    for path, said in ((place, "a frame"), (secret, SECRET)):
        path.parent.mkdir()
        path.write_text(said)
    add, archives = making._Archive.add, list[making._Archive]()

    def exchanged(archive: making._Archive, name: str, path: Path) -> None:
        archives.append(archive)
        if path == place and place.is_file() and not place.is_symlink():
            exchange(place, secret)
        add(archive, name, path)

    monkeypatch.setattr(making._Archive, "add", exchanged)
    try:
        making.make(chosen, installation, tmp_path / "one.backup", datetime.now(UTC), lambda *_: None)
    finally:
        if place.parent.is_symlink():
            place.parent.unlink()
        else:
            shutil.rmtree(place.parent)
    kept = archives[0].files
    assert "tree/ecluse.toml" in kept
    assert "tree/spool/session/trace.ecl" not in kept


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    """A folder that two users write into, and beside it a database that is none of theirs."""
    folder = tmp_path / "databases"
    folder.mkdir()
    folder.chmod(0o2770)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE secrets (word TEXT)")
    return folder


def test_no_link_to_a_database_is_followed_where_others_write(databases: Path, tmp_path: Path) -> None:
    """A link in the folder of two users is refused, to a file and to none; nothing is made where it leads."""
    place = databases / "policy.db"
    for target in ("other.db", "not-there.db"):
        place.symlink_to(tmp_path / target)
        with pytest.raises(sqlite3.OperationalError, match="is a link"):
            opened(place, str(place))
        place.unlink()
    assert not (tmp_path / "not-there.db").exists()
    databases.chmod(0o700)  # who alone writes there may put a database elsewhere by a link
    place.symlink_to(tmp_path / "other.db")
    opened(place, str(place)).close()


def test_a_link_that_stands_for_a_moment_is_found_out(
    databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is exchanged between look and opening, and back again: what was opened is closed unread."""
    place, own, connect = databases / "policy.db", databases / "kept", sqlite3.connect
    connect(place).close()

    def exchanged(database: str) -> sqlite3.Connection:
        place.rename(own)
        place.symlink_to(tmp_path / "other.db")
        made = connect(database)
        place.unlink()
        own.rename(place)
        return made

    monkeypatch.setattr(sqlite3, "connect", exchanged)
    with pytest.raises(sqlite3.OperationalError, match="exchanged"):
        opened(place, str(place))


def test_a_backup_copies_no_database_by_a_link(installation: Path, tmp_path: Path) -> None:
    """The console's user points the policy's database at another: the backup says so, and copies nothing."""
    folder = installation.parent / "databases"
    folder.mkdir(mode=0o770)
    folder.chmod(0o2770)
    chosen = settings.load(installation)
    (folder / "traces.db").symlink_to(installation.parent / "traces.db")
    database = chosen.trace_database.model_copy(update={"url": f"sqlite:///{folder}/traces.db"})
    with pytest.raises(BackupError, match="is a link"):
        list(copy(chosen.model_copy(update={"trace_database": database}), tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["open to all", "a link", "below what all may write to"])
async def test_nothing_is_restored_into_somebody_else_s_folder(
    installation: Path, tmp_path: Path, kind: str
) -> None:
    """The vault's keys come into no folder that others write into or point away: refused before anything is read."""
    directory, there = tmp_path / "restored", tmp_path / "there"
    there.mkdir()
    if kind == "a link":
        directory.symlink_to(there)
    elif kind == "open to all":
        directory.mkdir()
        directory.chmod(0o777)
    else:
        there.chmod(0o777)
        directory = there / "restored"
    signer = PublicKey.load(settings.load(installation).checkpoint_public_keys[0])
    private = ReaderKey.load(installation.parent / "keys/readers/hospital.pem")
    with pytest.raises(BackupError) as refused:
        await restore(tmp_path / "any", private, signer, directory, Targets(), lambda *_: None)
    assert refused.value.key == "init.foreign"
    assert list(there.iterdir()) == []
