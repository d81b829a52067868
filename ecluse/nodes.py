"""A further gateway of this installation: the folder that its machine needs, and nothing that only the console may hold."""

import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from admin_api.registered_keys import RegisteredKeys
from ecluse.errors import InstallationError
from ecluse.private_files import database_passwords, foreign
from ecluse.sections import Part
from ecluse.selfaudit.signers import OWN
from ecluse.settings import CONFIG_NAME, Settings
from recorder.seal.signing import generate_key

PRIVATE = 0o700
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
NODE = re.compile(r"^node\s*=.*$", re.MULTILINE)
_CONSOLE = re.compile(r"^\[console\][^\n]*\n", re.MULTILINE)
_DATA_DIR = re.compile(r"^data_dir\s*=.*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What was made: the ``folder`` for the other machine, the ``public_key`` of its traces, kept here.

    ``elsewhere`` are files that the settings name outside the data directory: they have to be brought as well.
    """

    name: str
    folder: Path
    public_key: Path
    elsewhere: tuple[Path, ...]


def make_node(name: str, folder: Path, config: Path, settings: Settings) -> Node:
    """Make *folder* for the gateway *name*, whose installation is described by *settings*, read from *config*.

    It gets the vault's keys, the host keys and their CA, for all gateways are one address to technicians; the readers'
    public keys; and keys of its own that sign its traces and its self-audits, whose public halves stay here. Raises InstallationError, and OSError where it cannot be
    written; what was begun is removed.
    """
    if NAME.fullmatch(name) is None:
        raise InstallationError("nodes.name", value=name)
    public = settings.gateway_public_key(name)
    registered = RegisteredKeys(settings.audit_keys)
    if name == settings.node or public.exists() or name in registered.names():
        raise InstallationError("nodes.taken", name=name)
    if settings.evaluation_stores:
        raise InstallationError("nodes.embedded")
    if folder.exists() and any(folder.iterdir()):
        raise InstallationError("init.not_empty", directory=str(folder))
    if foreign(folder):
        raise InstallationError("init.foreign", directory=str(folder))
    try:
        elsewhere = _fill(folder, name, config, settings)
        key = _own(folder, settings, settings.signing_key)
        key.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        generate_key(key)
        public.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        audits = generate_key(folder / OWN).public
        shutil.copyfile(key.with_name(key.name + ".pub"), public)
        registered.enter(name, audits)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        public.unlink(missing_ok=True)  # begun here: a name that had one was refused above
        raise
    return Node(name=name, folder=folder, public_key=public, elsewhere=elsewhere)


def _fill(folder: Path, name: str, config: Path, settings: Settings) -> tuple[Path, ...]:
    for part in ("", "keys", "spool", "run"):
        (folder / part).mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    carry_settings(config, folder / CONFIG_NAME, NODE, f'node = "{name}"')
    _alone(folder / CONFIG_NAME, config)
    return bring(folder, settings, _needed(settings))


def _alone(target: Path, source: Path) -> None:
    """Let the settings in *target*, carried from *source*, say that the console is on another machine."""
    text, line = target.read_text(encoding="utf-8"), "elsewhere = true\n"
    found = _CONSOLE.search(text)
    text = text[: found.end()] + line + text[found.end() :] if found else f"{text}\n[console]\n{line}"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InstallationError("nodes.settings", path=str(source), setting="console.elsewhere") from error
    target.write_text(text, encoding="utf-8")


def bring(folder: Path, settings: Settings, paths: Iterable[Path]) -> tuple[Path, ...]:
    """Copy *paths* of the installation into *folder*, to the same places; return those that are not in it."""
    elsewhere = []
    for path in paths:
        if not path.is_relative_to(settings.data_dir):
            elsewhere.append(path)
            continue
        target = _own(folder, settings, path)
        for above in reversed(target.relative_to(folder).parents):
            (folder / above).mkdir(mode=PRIVATE, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy2(path, target)
    return tuple(dict.fromkeys(elsewhere))


def _own(folder: Path, settings: Settings, path: Path) -> Path:
    """Return where what is at *path* here belongs in *folder*; what lies outside the data directory, under its name."""
    inside = path.is_relative_to(settings.data_dir)
    return folder / (path.relative_to(settings.data_dir) if inside else Path("keys") / path.name)


def _needed(settings: Settings) -> Iterator[Path]:
    """What a gateway reads: no reader's private key, nothing of the console's, and not this gateway's signing key."""
    yield settings.keyring
    keys = [*settings.host_keys, *([settings.host_authority] if settings.host_authority.exists() else [])]
    for path in keys:
        yield path
        yield path.with_name(path.name + ".pub")
    yield from settings.reader_public_keys
    yield from _bucket_files(settings, settings.store_credentials)
    yield from database_passwords(settings, Part.GATEWAY)


def store_files(settings: Settings) -> Iterator[Path]:
    """What a gateway and a console open the databases and the bucket with, all users of them."""
    yield from _bucket_files(settings, settings.store_credentials, settings.console_store_credentials)
    for section in (settings.policy_database, settings.trace_database):
        files = (section.password_file, section.gateway_password_file, section.console_password_file)
        yield from (file for file in files if file is not None)


def _bucket_files(settings: Settings, *credentials: Path) -> Iterator[Path]:
    if settings.store.bucket is not None:
        yield from dict.fromkeys(credentials)
        if settings.store.ca is not None:
            yield settings.data_dir / settings.store.ca


def carry_settings(source: Path, target: Path, place: re.Pattern[str], line: str) -> None:
    """Write the settings in *source* to *target* with *line* at that *place*, or first where there is none.

    The data directory is left out: it is where the file is. Raises InstallationError where the line says nothing there.
    """
    text = _DATA_DIR.sub("", source.read_text(encoding="utf-8"))
    text = place.sub(line, text, count=1) if place.search(text) else f"{line}\n{text}"
    key, value = next(iter(tomllib.loads(line).items()))
    if tomllib.loads(text).get(key) != value:
        raise InstallationError("nodes.settings", path=str(source), setting=key)
    target.write_text(text, encoding="utf-8")
    target.chmod(0o640)
