"""The users the two programs run under: whether each can reach what it needs, and none what is the other's.

``ecluse init`` hands the files over where it is told two users. Whatever was made, moved or restored since may be
somebody else's: this says what, and to whom it is missing.
"""

import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecluse.diagnosis.files import database_files, trace_folder
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.private_files import console_secrets, gateway_secrets
from ecluse.selfaudit.signers import own_key
from ecluse.settings import CONFIG_NAME, Settings

READ = 4
WRITE = 2
ENTER = 1


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the system takes a program for."""

    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a program reads and where it writes."""

    reads: Sequence[Path]
    writes: Sequence[Path]


def accounts(settings: Settings) -> Iterator[Symptom]:
    """Look at whether the programs have users of their own, and what each of these cannot reach."""
    check = look("users")
    gateway, console = settings.gateway.user, settings.console.user
    if gateway is None or console is None or gateway == console:
        yield check.notice("one")
    else:
        yield check.good(gateway=gateway, console=console)
        yield from _apart(settings, gateway)
    if gateway is not None:
        yield from _audit_key(settings, gateway)
        yield _reach(gateway, _gateway(settings))
    if console is not None and not settings.console.elsewhere:
        yield _reach(console, _console(settings))


def _gateway(settings: Settings) -> _Needs:
    keyring = [settings.keyring, *_inside(settings.keyring)]
    databases = [path for path in database_files(settings) if path.exists()]
    return _Needs(
        [settings.data_dir / CONFIG_NAME, *gateway_secrets(settings), *keyring],
        [settings.spool, *trace_folder(settings), settings.run_directory, *databases],
    )


def _console(settings: Settings) -> _Needs:
    keyring = [settings.keyring, *_inside(settings.keyring)]
    databases = [path for path in database_files(settings) if path.exists()]
    public = [settings.certificate, *settings.trace_public_keys]
    return _Needs(
        [
            settings.data_dir / CONFIG_NAME,
            *console_secrets(settings),
            *public,
            *trace_folder(settings),
            *keyring,
        ],
        [settings.run_directory, *databases, *([settings.search_folder] if settings.search.enabled else [])],
    )


def _apart(settings: Settings, gateway: str) -> Iterator[Symptom]:
    """Look at whether the gateway's user could read what opens traces, or what was on screens."""
    account = _account(gateway)
    if account is None:
        return  # told by what it needs
    own = set(console_secrets(settings)) - set(gateway_secrets(settings))
    if settings.search.enabled:
        own.add(settings.search_folder)
    for path in sorted(own):
        if path.exists():
            check = look("apart", path=str(path))
            yield check.failed("open", user=gateway) if _can(account, path, READ) else check.good()


def _audit_key(settings: Settings, gateway: str) -> Iterator[Symptom]:
    """Look at whether the gateway's user reads the key of audits, or changes its folder, or the settings they go by."""
    key = own_key(settings)
    if not settings.console.elsewhere or not key.exists():
        return
    account = _account(gateway)
    if account is None:
        return  # told by what it needs
    check = look("audit_key", path=str(key))
    if _can(account, key, READ):
        yield check.failed("open", user=gateway, path=str(key))
        return
    for place in (key, key.parent, settings.data_dir, settings.data_dir / CONFIG_NAME):
        # an owner needs no right to write: she gives it to herself
        own = place.exists() and place.stat().st_uid == account.uid
        if own or _can(account, place, WRITE):
            yield check.failed("changeable", user=gateway, place=str(place))
            return
    yield check.good()


def _reach(user: str, needs: _Needs) -> Symptom:
    check = look("reach", user=user)
    account = _account(user)
    if account is None:
        return check.failed("unknown")
    wanted = [(path, READ) for path in needs.reads] + [(path, READ | WRITE) for path in needs.writes]
    refused = [str(path) for path, bits in wanted if not _can(account, path, bits)]
    if refused:
        return check.failed("refused", count=len(refused), path=refused[0])
    return check.good()


def _account(user: str) -> _Account | None:
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return None
    return _Account(found.pw_uid, frozenset(os.getgrouplist(user, found.pw_gid)))


def _can(account: _Account, path: Path, bits: int) -> bool:
    """Tell whether *account* may reach *path* by the modes of its files alone (access control lists can only widen that)."""
    if account.uid == 0:
        return True
    try:
        parents = all(_allowed(account, parent.stat(), ENTER) for parent in path.resolve().parents)
        status = path.stat()
    except OSError:
        return False
    return parents and _allowed(account, status, bits | (ENTER if stat.S_ISDIR(status.st_mode) else 0))


def _allowed(account: _Account, status: os.stat_result, bits: int) -> bool:
    if status.st_uid == account.uid:
        granted = status.st_mode >> 6
    elif status.st_gid in account.groups:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & bits == bits


def _inside(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
