"""How a backup is restored: nothing is read before the signature holds, and nothing is left where a step fails."""

import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
import sqlite3
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard
from sqlalchemy.engine import URL, make_url

from ecluse import settings as configuration
from ecluse.backup import databases
from ecluse.backup.archive import ArchiveReader, Verified, verify
from ecluse.backup.making import CONTENTS, ELSEWHERE, TREE, Progress
from ecluse.errors import BackupError
from ecluse.settings import CONFIG_NAME, Settings
from policy.errors import PolicyError
from policy.store.database import Database as PolicyDatabase
from policy.vault.keyring import Keyring
from recorder.audit.purge import recorded_cuts
from recorder.audit.verify import JournalVerification, verify_chains
from recorder.errors import RecorderError
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import ReaderKey
from recorder.store.database import Database as TraceDatabase

REMADE: Final = ("run", "search")
_PIECE: Final = 1 << 20
_FILE_BITS: Final = 0o777
"""Never setuid: who holds the key that signs archives must not become root where one is restored."""
_FOLDER_BITS: Final = 0o3777


@dataclass(frozen=True, slots=True)
class Restored:
    """What came out: the archive's header, how many files, what lies outside of the directory, and the journal's state.

    ``outside`` are the embedded databases that the settings want elsewhere, and that were put there.
    """

    header: Mapping[str, Any]
    files: int
    elsewhere: Sequence[str]
    outside: Sequence[Path]
    journal: JournalVerification


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The empty PostgreSQL databases to fill; None: those that the restored settings name."""

    policy: str | None = None
    traces: str | None = None


def check(archive: Path, signer: PublicKey) -> Verified:
    """Return what the archive says of itself, once its signature holds. Raises BackupError."""
    with _opened(archive) as file:
        return verify(file, signer)


async def restore(
    archive: Path, key: ReaderKey, signer: PublicKey, directory: Path, targets: Targets, tell: Progress
) -> Restored:
    """Make the installation again in *directory*, which must not be there, or be empty.

    Raises BackupError, SettingsError, StoreError; *directory* and databases are then as they were before.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupError("backup.not_empty", directory=str(directory))
    with _opened(archive) as file:
        verified = verify(file, signer)
        try:
            staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.absolute().parent))
        except OSError as error:
            raise BackupError("backup.target", path=str(directory), why=error.strerror) from error
        outside: list[Path] = []
        try:
            contents = _unpack(ArchiveReader(file, verified, key), staging, verified, tell)
            tree = staging / TREE
            settings = settings_of(tree, staging / ELSEWHERE, verified.header)
            for name in REMADE:
                (tree / name).mkdir(mode=0o700, exist_ok=True)
            urls = _place(settings, contents, staging, targets, outside)
            await databases.check_empty([url for url, _ in urls])
            journal = await _fill(settings, urls, targets)
            elsewhere = _keep_elsewhere(staging, tree)
            if directory.exists():
                directory.rmdir()
            tree.rename(directory)
        except BaseException as error:
            for place in outside:
                place.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise BackupError(
                "backup.target", path=str(directory), why=error.strerror or str(error)
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return Restored(verified.header, len(contents["files"]), elsewhere, outside, journal)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        file = archive.open("rb")
    except OSError as error:
        raise BackupError("backup.unreadable", path=str(archive), why=error.strerror) from error
    with file:
        yield file


def _unpack(reader: ArchiveReader, staging: Path, verified: Verified, tell: Progress) -> dict[str, Any]:
    """Write what was kept into *staging*, and return the list of it, to which every file was held."""
    digests: dict[str, str] = {}
    contents: dict[str, Any] | None = None
    total = verified.ends - verified.begins
    (staging / TREE).mkdir(mode=0o700)
    try:
        unpacked = zstandard.ZstdDecompressor().stream_reader(cast(BinaryIO, reader), read_across_frames=True)
        with tarfile.open(fileobj=unpacked, mode="r|") as tar:
            for member in tar:
                data = tar.extractfile(member) if member.isreg() else None
                if member.name == CONTENTS and data is not None:
                    contents = json.load(data)
                    continue
                path = _inside(staging, member.name)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if data is None:
                    path.mkdir(mode=0o700, exist_ok=True)
                else:
                    digests[member.name] = _write(path, cast(BinaryIO, data))
                    tell(member.name, reader.position, total)
                _own(path, member)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise BackupError("backup.damaged", chunk=0) from error
    if contents is None:
        raise BackupError("backup.damaged", chunk=0)
    wanted = {name: one["sha256"] for name, one in contents["files"].items() if "sha256" in one}
    if any(digests.get(name) != digest for name, digest in wanted.items()):
        raise BackupError("backup.damaged", chunk=0)
    for name in digests.keys() - wanted.keys():  # it was gone when the backup ended
        _inside(staging, name).unlink()
    return contents


def _write(path: Path, data: BinaryIO) -> str:
    digest = hashlib.sha256()
    path.unlink(missing_ok=True)  # what grew meanwhile comes twice, the whole one last
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := data.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _own(path: Path, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # its user is not here: it stays root's, and doctor says so
            os.chown(path, pwd.getpwnam(member.uname).pw_uid, grp.getgrnam(member.gname).gr_gid)
    path.chmod(member.mode & (_FOLDER_BITS if member.isdir() else _FILE_BITS))


def _inside(staging: Path, name: str) -> Path:
    path = Path(os.path.normpath(staging / name))
    if not path.is_relative_to(staging) or path == staging:
        raise BackupError("backup.damaged", chunk=0)
    return path


def settings_of(tree: Path, elsewhere: Path, header: Mapping[str, Any]) -> Settings:
    """Return the settings that were kept, of the installation as it stands in *tree* now; raises BackupError, SettingsError.

    *elsewhere* holds what lay outside of it, as the settings themselves may have.
    """
    found = sorted(elsewhere.rglob(CONFIG_NAME)) if not (tree / CONFIG_NAME).exists() else []
    kept = found[0] if found else tree / CONFIG_NAME
    try:
        values = tomllib.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupError("backup.no_settings") from error
    former = str(header.get("data_dir", ""))
    text = json.dumps(values, default=str).replace(json.dumps(former)[1:-1], json.dumps(str(tree))[1:-1])
    return configuration.build({**json.loads(text), "data_dir": str(tree)}, str(kept))


def _place(
    settings: Settings, contents: Mapping[str, Any], staging: Path, targets: Targets, outside: list[Path]
) -> list[tuple[URL, Path]]:
    """Put embedded databases where the settings want them; return the PostgreSQL databases to fill, with their dumps.

    Those that lie outside of *staging* then are added to *outside*. Raises BackupError where one is there already.
    """
    chosen = {
        "policy": targets.policy or settings.policy_url(),
        "traces": targets.traces or settings.trace_url(),
    }
    urls = []
    for one in contents["databases"]:
        copy = _inside(staging, one["file"])
        url = make_url(chosen[one["stores"][0]])
        if one["kind"] == databases.SQLITE:
            place = Path(url.database or "")
            if place.exists() or place.is_symlink():  # the running installation's own, as like as not
                raise BackupError("backup.there", place=str(place))
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not place.is_relative_to(staging):
                outside.append(place)
            shutil.move(copy, place)
        else:
            urls.append((url, copy))
    return urls


async def _fill(
    settings: Settings, urls: Sequence[tuple[URL, Path]], targets: Targets
) -> JournalVerification:
    filled: list[URL] = []
    try:
        for url, dump in urls:
            databases.fill(url, dump)
            filled.append(url)
        return await examine(settings, targets)
    except BaseException:
        for url in filled:
            await databases.empty(url)
        raise


async def examine(settings: Settings, targets: Targets) -> JournalVerification:
    """Look at what was restored: the keys open, the databases are whole and of this version, the journal's chains hold.

    Raises BackupError.
    """
    policy_url, trace_url = targets.policy or settings.policy_url(), targets.traces or settings.trace_url()
    for url in (make_url(policy_url), make_url(trace_url)):
        if url.drivername == databases.SQLITE:
            with closing(sqlite3.connect(url.database or "")) as connection:
                verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise BackupError("backup.database", place=url.database, why=verdict)
    catalogue = TraceDatabase(trace_url)
    try:
        Keyring.load(settings.keyring)
        policy = await PolicyDatabase.open(policy_url)
        await policy.close()
        await catalogue.check()
        async with catalogue.read() as connection:
            cuts = await recorded_cuts(connection)  # what went by rule before the backup is not missing
            journal = await verify_chains(connection, writer=None, hospital_id=None, known={}, cuts=cuts)
    except (PolicyError, RecorderError) as error:
        raise BackupError("backup.unsound", why=str(error)) from error
    finally:
        await catalogue.dispose()
    return journal


def _keep_elsewhere(staging: Path, tree: Path) -> list[str]:
    """Keep beside the tree what belongs elsewhere on the machine, and say where each file was."""
    folder = staging / ELSEWHERE
    if not folder.is_dir():
        return []
    found = sorted(f"/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file())
    folder.rename(tree / ELSEWHERE)
    return found
