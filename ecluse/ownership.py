"""Two system users, one a program: whose each file of an installation is, and what the two share through a group.

A folder with the setgid bit is shared with its group, whoever writes in it and whatever their umask: the trace store, the
keyring and SQLite go by that bit. The gateway's user owns what only the gateway reads, the console's user what only the
console reads, root what both read and neither may change.
"""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ecluse.errors import InstallationError
from ecluse.settings import CONFIG_NAME
from recorder.seal.places import PUBLIC, RETIRED

DATABASE_FOLDER = "databases"
"""Where the embedded databases lie for two users: SQLite makes files beside them, and the data directory is root's."""
GROUP = "ecluse"
ROOT = 0
_READ_ONLY, _OWN, _OWN_SHOWN, _SHARED, _SHARED_APART = 0o750, 0o700, 0o2750, 0o2770, 0o3770


@dataclass(frozen=True, slots=True)
class Account:
    """A system user, by its numbers."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Owners:
    """The two programs' users, and the number of the group that both are in.

    Attributes:
        gateway: Runs the gateway.
        console: Runs the console.
        group: Through which they share what both need.
    """

    gateway: Account
    console: Account
    group: int

    @classmethod
    def named(cls, gateway: str, console: str, group: str) -> Self:
        """Look them up. Raises InstallationError where one is unknown, root or not in the group, or both are one."""
        if os.geteuid() != ROOT:
            raise InstallationError("init.users_need_root")
        try:
            shared = grp.getgrnam(group).gr_gid
        except KeyError:
            raise InstallationError("init.group", value=group) from None
        owners = cls(_account(gateway, group, shared), _account(console, group, shared), shared)
        if owners.gateway.uid == owners.console.uid:
            raise InstallationError("init.same_user", value=gateway)
        return owners

    def take(self, directory: Path) -> None:
        """Hand what ``init`` made in *directory* over to them. Raises OSError, InstallationError where modes do not hold."""
        self.take_folders(directory)
        root = Account(ROOT, self.group)
        _give(directory / CONFIG_NAME, root, 0o640)
        for name in ("keys/host_ed25519", "keys/host_ecdsa", "keys/host_ca", "keys/trace-signing.pem"):
            _give(directory / name, self.gateway, 0o600)
        for name in ("keys/checkpoint-signing.pem", "tls/api.key"):
            _give(directory / name, self.console, 0o600)
        for public in (*(directory / "keys").glob("*.pub"), *(directory / "tls").glob("*.pem")):
            _give(public, root, 0o644)
        for path in (directory / "keys/vault").iterdir():
            _give(path, root, 0o640)
        follow(directory / "keys/readers")

    def take_folders(self, directory: Path) -> None:
        """Hand *directory*, the folders in it, made where they are missing, and the databases over.

        Raises OSError, and InstallationError where the group's bit of a folder does not hold.
        """
        root = Account(ROOT, self.group)
        for folder, owner, mode in (
            ("", root, _READ_ONLY),
            ("keys", root, _READ_ONLY),
            ("keys/vault", root, _OWN_SHOWN),
            ("keys/readers", Account(self.console.uid, self.group), _OWN_SHOWN),
            ("tls", root, _READ_ONLY),
            (DATABASE_FOLDER, root, _SHARED),
            ("run", root, _SHARED_APART),  # sticky: neither removes what the other says there
            ("spool", self.gateway, _OWN),
            ("traces", Account(self.gateway.uid, self.group), _SHARED),
            ("search", self.console, _OWN),
            ("cache", self.console, _OWN),
        ):
            path = directory / folder
            path.mkdir(exist_ok=True)
            _give(path, owner, mode)
        for path in (directory / DATABASE_FOLDER).iterdir():
            _give(path, root, 0o660)


def follow(folder: Path) -> None:
    """Give the readers' keys in *folder* to its owner, the public halves shown to its group, where it is shared.

    Root makes and retires them, and the console's user uses them. Does nothing in a folder of one user's. Raises OSError.
    """
    status = folder.stat()
    if os.geteuid() != ROOT or not shared(folder):
        return
    for path in folder.iterdir():
        if path.is_symlink():
            continue  # the folder is the console's user's: what she points at from there is not hers
        public = path.name.endswith((PUBLIC, RETIRED))
        _give(path, Account(status.st_uid, status.st_gid), 0o640 if public else 0o600)


def shared(folder: Path) -> bool:
    """Whether what lies in *folder* is shared with its group. Raises OSError."""
    return bool(folder.stat().st_mode & 0o2000)


def _account(name: str, group: str, gid: int) -> Account:
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise InstallationError("init.user", value=name) from None
    if account.pw_uid == ROOT:
        raise InstallationError("init.user_root", value=name)
    if gid not in os.getgrouplist(name, account.pw_gid):
        raise InstallationError("init.not_in_group", value=name, group=group)
    return Account(account.pw_uid, account.pw_gid)


def _give(path: Path, owner: Account, mode: int) -> None:
    # one file for both: root follows nobody's link here, nor one that took the file's place in between
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        # without CAP_FSETID the kernel leaves the group's bit out and says nothing
        if mode & ~os.fstat(descriptor).st_mode:
            raise InstallationError("init.group_bit", path=str(path))
    finally:
        os.close(descriptor)
