"""The keyring's directory: which files hold keys, who may read them, and how they are written.

``current`` names the key that seals; ``<key id>.key`` hold 32 bytes in base64 each; ``fingerprint.key``
is apart, and rotation never changes it. A file is read only if nobody else can read or write it.
"""

import base64
import binascii
import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from policy.errors import KeyMissing, VaultError
from policy.vault.envelope import KEY_BYTES

CURRENT: Final = "current"
FINGERPRINT: Final = "fingerprint.key"
_KEY_ID: Final = re.compile(r"k([1-9][0-9]{0,8})-[0-9a-f]{8}")
_MAXIMUM_BYTES: Final = 256


def new_key_id(known: list[str]) -> str:
    """Return an id for the key that comes after all *known* ones."""
    return f"k{max((number(key_id) for key_id in known), default=0) + 1}-{secrets.token_hex(4)}"


def number(key_id: str) -> int:
    """Return the place of *key_id* in the order in which keys were made, from 1; raises VaultError for a bad id."""
    form = _KEY_ID.fullmatch(key_id)
    if form is None:
        raise VaultError(
            f"{key_id!r} is no key id; restore the file 'current' of the keyring from its backup"
        )
    return int(form[1])


def key_ids(directory: Path) -> list[str]:
    """Return the ids of the keys present, oldest first."""
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError as error:
        raise _unreadable(directory, error) from None
    found = [name.removesuffix(".key") for name in names if name.endswith(".key") and name != FINGERPRINT]
    return sorted((key_id for key_id in found if _KEY_ID.fullmatch(key_id)), key=number)


def current_id(directory: Path) -> str:
    """Return the id of the key that seals."""
    key_id = _read(directory / CURRENT).decode("ascii", "replace").strip()
    number(key_id)
    return key_id


def read_key(directory: Path, name: str) -> bytes:
    """Return the 32 bytes of the file *name*; raises KeyMissing if absent, VaultError if exposed or damaged."""
    path = directory / name
    try:
        key = base64.b64decode(_read(path).strip(), validate=True)
    except (binascii.Error, ValueError):
        raise VaultError(f"{path} is damaged; restore it from the keyring's backup") from None
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path} does not hold {KEY_BYTES} bytes; restore it from the keyring's backup")
    return key


def write_new_key(directory: Path, name: str) -> None:
    """Make a random key in the new file *name*, 0600, on the disk before this returns.

    It is written aside and linked into place, so that a crash never leaves half a key under a key's
    name. Raises VaultError where the file exists or the directory cannot be written.
    """
    aside = directory / f".{name}.{secrets.token_hex(4)}"
    try:
        _write(aside, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        try:
            os.link(aside, directory / name)
        finally:
            aside.unlink()
        _sync(directory)
    except FileExistsError:
        raise VaultError(f"{directory / name} exists already and is not overwritten") from None
    except OSError as error:
        raise _unwritable(directory, error) from None


def write_current(directory: Path, key_id: str) -> None:
    """Name *key_id* as the key that seals, atomically."""
    aside = directory / f".{CURRENT}.{secrets.token_hex(4)}"
    try:
        _write(aside, f"{key_id}\n".encode("ascii"))
        aside.replace(directory / CURRENT)
        _sync(directory)
    except OSError as error:
        raise _unwritable(directory, error) from None


def remove_key(directory: Path, key_id: str) -> None:
    """Remove the key *key_id* for good."""
    try:
        (directory / f"{key_id}.key").unlink()
        _sync(directory)
    except OSError as error:
        raise _unwritable(directory, error) from None


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Keep every other rotation out, in whatever process; the lock dies with its holder. Raises VaultError if held."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(directory, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VaultError(f"another rotation of {directory} is under way; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def check_directory(directory: Path) -> None:
    """Raise VaultError where somebody else could put keys of their own into *directory*."""
    try:
        status = directory.stat()
    except OSError as error:
        raise _unreadable(directory, error) from None
    if not stat.S_ISDIR(status.st_mode):
        raise VaultError(f"{directory} is not a directory")
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        raise VaultError(
            f"{directory} can be written by others; chown it to this user and chmod 700 {directory}"
        )


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyMissing(f"{path} is missing; restore it from the keyring's backup") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    with os.fdopen(descriptor, "rb") as file:
        _check_file(path, os.fstat(descriptor))
        return file.read(_MAXIMUM_BYTES)


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise VaultError(f"{path} is not a plain file")
    mine = os.geteuid()
    # systemd hands a credential over as a file of root's whose group bits show the mask of an ACL for this user. Two users
    # share a keyring through the group of its folder.
    exposed = 0o037 if status.st_uid == 0 and (mine != 0 or _shared(path.parent)) else 0o077
    if status.st_uid not in {0, mine}:
        raise VaultError(f"{path} belongs to another user; chown it to the user this runs as")
    if status.st_mode & exposed:
        raise VaultError(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 {path}"
        )


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if _shared(path.parent):
            os.fchmod(descriptor, 0o640)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _shared(directory: Path) -> bool:
    """Whether root shares what lies there with its group: the folder has the setgid bit."""
    status = directory.stat()
    return status.st_uid == 0 and bool(status.st_mode & stat.S_ISGID)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> VaultError:
    return VaultError(f"{path} cannot be read ({error.strerror}); it must belong to the user this runs as")


def _unwritable(directory: Path, error: OSError) -> VaultError:
    return VaultError(f"{directory} cannot be written ({error.strerror}); run this as the keyring's owner")
