"""How a backup is restored: nothing is read before the signature holds, and nothing is left where a step fails."""

import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard
from sqlalchemy.engine import URL, make_url

from ecluse import settings as configuration
from ecluse.backup import databases
from ecluse.backup.archive import ArchiveReader, Verified, verify
from ecluse.backup.examination import Examination
from ecluse.backup.making import CONTENTS, ELSEWHERE, TREE, Progress
from ecluse.errors import BackupError, InstallationError
from ecluse.ownership import Owners
from ecluse.private_files import foreign
from ecluse.settings import CONFIG_NAME, Settings
from recorder.proof.inspection import Inspection
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import ReaderKey
from recorder.store.arrivals import Arrivals

REMADE: Final = ("run", "search")
_PIECE: Final = 1 << 20
_FILE_BITS: Final = 0o777
"""Never setuid: who holds the key that signs archives must not become root where one is restored."""
_FOLDER_BITS: Final = 0o3777


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came out.

    Attributes:
        header: The archive's.
        files: How many.
        elsewhere: What lay outside of the directory, by its path there.
        outside: The embedded databases that the settings want elsewhere, and that were put there.
        journal: What was found of the journal and its checkpoints.
        arrived: The traces that came into the folder after the databases were copied.
        bucket: What the archive says of the bucket whose objects it lists; None where a folder keeps the traces.
    """

    header: Mapping[str, Any]
    files: int
    elsewhere: Sequence[str]
    outside: Sequence[Path]
    journal: Inspection
    arrived: Arrivals
    bucket: Mapping[str, Any] | None


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
    if foreign(directory):
        raise BackupError("init.foreign", directory=str(directory))
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
            found, arrived = await _fill(examined(settings, targets, signer), urls)
            elsewhere = _keep_elsewhere(staging, tree)
            _share(tree, settings)
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
    return Restored(
        header=verified.header,
        files=len(contents["files"]),
        elsewhere=elsewhere,
        outside=outside,
        journal=found,
        arrived=arrived,
        bucket=contents.get("bucket"),
    )


def examined(settings: Settings, targets: Targets, signer: PublicKey | None) -> Examination:
    """Return what looks at the installation of *settings*, whose databases are the *targets* where there are any."""
    return Examination(
        settings,
        targets.policy or settings.policy_url(),
        targets.traces or settings.trace_url(),
        signer,
    )


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


def _share(tree: Path, settings: Settings) -> None:
    """Give *tree* itself, and the folders and databases made anew, to whom the installation's programs run as."""
    kept = tree / CONFIG_NAME
    if os.geteuid() != 0 or not kept.exists():
        return
    status = kept.stat()
    if settings.gateway.user is None or settings.gateway.user == settings.console.user:
        for path in (tree, *(tree / name for name in REMADE), *tree.glob("*.db*")):
            os.chown(path, status.st_uid, status.st_gid)
        return
    try:
        group = grp.getgrgid(status.st_gid).gr_name
        owners = Owners.named(settings.gateway.user, settings.console.user or "", group)
    except (KeyError, InstallationError):
        return  # they are not here: doctor says so
    owners.take_folders(tree)


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
    places = _Places(Path(str(header.get("data_dir", ""))), tree, elsewhere)
    return configuration.build({**places.of(values), "data_dir": str(tree)}, str(kept))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where what the settings name by a whole path stands now: in the *tree*, in what is kept beside it, or as it was."""

    former: Path
    tree: Path
    elsewhere: Path

    def of(self, value: Any) -> Any:
        """Return a value of the settings with every path in it as it is now."""
        if isinstance(value, dict):
            return {name: self.of(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.of(one) for one in value]
        if not isinstance(value, str):
            return value
        if value.startswith(f"{databases.SQLITE}:"):
            url = make_url(value)
            moved = url.set(database=self._path(url.database or ""))
            return moved.render_as_string(hide_password=False)
        return self._path(value)

    def _path(self, text: str) -> str:
        path = Path(os.path.normpath(text))
        if not path.is_absolute():
            return text
        if path.is_relative_to(self.former):
            return str(self.tree / path.relative_to(self.former))
        beside = self.elsewhere / path.relative_to(path.anchor)
        return str(beside) if beside.is_file() else text


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


async def _fill(examination: Examination, urls: Sequence[tuple[URL, Path]]) -> tuple[Inspection, Arrivals]:
    filled: list[URL] = []
    try:
        for url, dump in urls:
            databases.fill(url, dump)
            filled.append(url)
        found = await examination.databases()
        await examination.forget_programs()
        if examination.settings.store.bucket is not None:
            return found, Arrivals((), ())  # what came into it since, 'backup compare' enters
        return found, await examination.enter_arrivals()
    except BaseException:
        for url in filled:
            await databases.empty(url)
        raise


def _keep_elsewhere(staging: Path, tree: Path) -> list[str]:
    """Keep beside the tree what belongs elsewhere on the machine, and say where each file was."""
    folder = staging / ELSEWHERE
    if not folder.is_dir():
        return []
    found = sorted(f"/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file())
    folder.rename(tree / ELSEWHERE)
    return found
