"""Which files of the installation hold secrets, and who else can read them."""

import os
import stat
from pathlib import Path

from ecluse.sections import Part
from ecluse.settings import Settings

GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO
WHAT_ROOT_MAY_SHARE = stat.S_IRGRP
"""A file of root's may be read by one group: so systemd hands credentials over, and so two users share a key."""


def gateway_secrets(settings: Settings) -> list[Path]:
    """Return the secret files that the gateway reads itself; the keyring looks after its own."""
    authority = [settings.host_authority] if settings.host_authority.exists() else []
    store = [settings.store_credentials] if settings.store.bucket is not None else []
    if settings.gateway.metrics_token_file is not None:
        store.append(settings.data_dir / settings.gateway.metrics_token_file)
    return [
        *settings.host_keys,
        *authority,
        settings.signing_key,
        *store,
        *database_passwords(settings, Part.GATEWAY),
    ]


def console_secrets(settings: Settings) -> list[Path]:
    """Return the secret files that the console reads itself; the keyring looks after its own."""
    chosen = (
        settings.mail.password_file,
        settings.alarms.webhook_secret_file,
        settings.syslog.key,
        settings.console.metrics_token_file,
    )
    passwords = [settings.data_dir / path for path in chosen if path is not None]
    keys = [settings.certificate_key, settings.checkpoint_key, *settings.reader_keys]
    if settings.store.bucket is not None:
        keys.append(settings.console_store_credentials)
    if settings.checkpoints.anchor_bucket.bucket is not None:
        keys.append(settings.anchor_credentials)
    return [*keys, *database_passwords(settings, Part.CONSOLE), *passwords]


def database_passwords(settings: Settings, part: Part) -> list[Path]:
    """Return the files with the passwords that *part* opens the databases by: its own, and not the owner's."""
    found = (section.password(part) for section in (settings.policy_database, settings.trace_database))
    return [path for path in found if path is not None]


def private_half(public: Path) -> Path | None:
    """Return the private key that lies beside the *public* one, None where there is none."""
    private = public.with_name(public.name.removesuffix(".pub"))
    return private if private != public and private.exists() else None


def exposed_mode(path: Path) -> int | None:
    """Return the mode of *path* where others than its owner can reach it, None where they cannot.

    A file of root's may be read by its group where this is not root. Raises OSError.
    """
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    shared = status.st_uid == 0 and os.geteuid() != 0
    return mode if mode & GROUP_AND_OTHERS & ~(WHAT_ROOT_MAY_SHARE if shared else 0) else None


def foreign(directory: Path) -> bool:
    """Tell whether somebody else could read or change what is written into *directory*, which is there or not yet.

    Where it is there: a link, one that another user owns, or one that others may write into; for root, its group too.
    Where it is not: one that would lie where anybody may replace it. Raises OSError.
    """
    try:
        status = directory.lstat()
    except FileNotFoundError:
        above = next(path for path in directory.absolute().parents if path.exists())
        return replaceable(above / "one") is not None
    others = stat.S_IWOTH | (stat.S_IWGRP if os.geteuid() == 0 else 0)
    strange = status.st_uid not in {0, os.geteuid()}
    return not stat.S_ISDIR(status.st_mode) or strange or bool(status.st_mode & others)


def replaceable(path: Path) -> Path | None:
    """Return the folder of *path* where anybody may put another file in its place, None where nobody strange can.

    A folder that a group shares is its owner's to decide; one with the sticky bit lets nobody replace another's file.
    """
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    return folder if mode & stat.S_IWOTH and not mode & stat.S_ISVTX else None
