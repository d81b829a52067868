"""Directories and files: who can reach them, whether they can be written, and what lies in the spool."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.presence import port_of
from ecluse.private_files import GROUP_AND_OTHERS, console_secrets, exposed_mode, gateway_secrets
from ecluse.selfaudit.signers import own_key
from ecluse.settings import Settings
from recorder.capture.outage import remembered

SQLITE_COMPANIONS = ("", "-wal", "-shm")
OTHERS = stat.S_IRWXO
WRITABLE = os.W_OK | os.X_OK | os.R_OK


def permissions(settings: Settings) -> Iterator[Symptom]:
    """Look at who can reach the private directories, the secret files and the embedded databases."""
    # two users share what lies here through a group of theirs; one user shares it with nobody
    forbidden = OTHERS if _two_users(settings) else GROUP_AND_OTHERS
    for path in (settings.data_dir, settings.spool, *trace_folder(settings), settings.keyring):
        yield mode_of(path, forbidden)
    secrets = gateway_secrets(settings)
    if settings.console.elsewhere:
        secrets.append(own_key(settings))
    else:
        secrets += [*console_secrets(settings), settings.data_dir / "tls/ca.key"]
    for path in dict.fromkeys(secrets):
        yield secret(path)
    for path in database_files(settings):
        if path.exists():
            yield mode_of(path, forbidden)
    if settings.search.enabled and settings.search_folder.exists():
        # what was on screens, in clear: the console's user shares it with nobody, the gateway's least of all
        for path in (settings.search_folder, *sorted(settings.search_folder.glob("*.db*"))):
            yield mode_of(path, GROUP_AND_OTHERS)


def database_files(settings: Settings) -> list[Path]:
    """Return the files of the embedded databases, with those that SQLite keeps beside them."""
    files: list[Path] = []
    for url_of in (settings.policy_url, settings.trace_url):
        try:
            url = make_url(url_of())
        except SettingsError:
            continue
        if url.drivername == "sqlite" and url.database:
            files += [Path(url.database + suffix) for suffix in SQLITE_COMPANIONS]
    return files


def writable(settings: Settings) -> Iterator[Symptom]:
    """Look at whether the user who asks could write where the programs write."""
    for path in (settings.spool, *trace_folder(settings), settings.run_directory):
        if path.exists():
            check = look("writable", path=str(path))
            yield check.good() if os.access(path, WRITABLE) else check.failed("refused")


def disks(settings: Settings) -> Iterator[Symptom]:
    """Look at the room left for traces."""
    smallest = settings.recorder.min_free_bytes
    for path in (settings.spool, *trace_folder(settings)):
        check = look("disk", path=str(path))
        try:
            free = shutil.disk_usage(path).free
        except OSError as error:
            yield check.failed("missing", why=error.strerror)
            continue
        if free < smallest:
            yield check.failed("full", free=free >> 20, least=smallest >> 20)
        else:
            yield check.good(free=free >> 20)


def left_in_spool(settings: Settings) -> Iterator[Symptom]:
    """Look at traces that wait in the spool while no gateway runs to close and ship them."""
    check = look("spool", path=str(settings.spool))
    try:
        waiting = sum(1 for entry in settings.spool.iterdir() if entry.is_dir() and entry.name[:1] != ".")
    except OSError:
        return  # its permissions and its disk have been told
    if port_of(settings.run_directory, "gateway") is not None:
        yield check.good("live", count=waiting)
    elif waiting:
        yield check.notice("left", count=waiting)
    else:
        yield check.good("empty")


def outage(settings: Settings) -> Iterator[Symptom]:
    """Look at whether the gateway of this machine has been without the trace store, and what room its spool has."""
    check = look("outage", path=str(settings.spool))
    found = remembered(settings.spool)
    if found is not None:
        yield check.failed("unreachable", since=f"{found.since:%Y-%m-%d %H:%M} UTC", why=found.error)
    quota = settings.recorder.spool_quota_bytes
    try:
        free = shutil.disk_usage(settings.spool).free - settings.recorder.min_free_bytes
    except OSError:
        return  # its disk has been told
    if free < quota:
        yield check.notice("small", quota=quota >> 20, free=max(0, free) >> 20)
    elif found is None:
        yield check.good(quota=quota >> 20)


def trace_folder(settings: Settings) -> tuple[Path, ...]:
    """Return the folder of traces, where there is no bucket."""
    return (settings.trace_folder,) if settings.store.bucket is None else ()


def _two_users(settings: Settings) -> bool:
    return settings.gateway.user != settings.console.user


def mode_of(path: Path, forbidden: int) -> Symptom:
    """Look at whether *path* is there, with none of the *forbidden* bits."""
    check = look("permissions", path=str(path))
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return check.failed("missing", why=error.strerror)
    shown = f"{mode:04o}"
    return check.failed("open", mode=shown) if mode & forbidden else check.good(mode=shown)


def secret(path: Path) -> Symptom:
    """Look at whether the file *path* is there, and read by its owner alone."""
    check = look("permissions", path=str(path))
    try:
        open_to_others = exposed_mode(path)
        shown = f"{stat.S_IMODE(path.stat().st_mode):04o}"
    except OSError as error:
        return check.failed("missing", why=error.strerror)
    return check.good(mode=shown) if open_to_others is None else check.failed("open", mode=shown)
