"""What ``ecluse init`` makes: a data directory, its keys, its databases, a CA and its first administrators."""

import ipaddress
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from ecluse import composition
from ecluse.certificates import local_names, make_authority, make_server_certificate, write_private
from ecluse.errors import InstallationError
from ecluse.host_keys import make_host_authority, make_host_keys
from ecluse.ownership import DATABASE_FOLDER, Owners
from ecluse.private_files import foreign
from ecluse.readers import make_reader
from ecluse.sections import RecorderSection
from ecluse.settings import CONFIG_NAME, build
from ecluse.stopping import to_its_end
from policy import services
from policy.clock import Clock
from policy.domain.ids import is_name, new_id
from policy.errors import InvalidInput
from policy.services import inputs
from policy.services.hospitals import Initialised
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from recorder.seal.signing import generate_key
from recorder.store import database as trace_database

PRIVATE = 0o700
DATABASES = {"policy_database": "policy.db", "trace_database": "traces.db"}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
DNS_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)
ADMINISTRATORS = 2
MEBIBYTE = 1024 * 1024
"""Nobody approves their own window, so one administrator alone can open nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """One of the first administrators, who will receive an invitation."""

    login: str
    full_name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> "Administrator":
        """Read ``login:Full Name:e-mail``. Raises InstallationError saying what is wrong."""
        parts = [part.strip() for part in text.split(":")]
        if len(parts) != 3 or not all(parts):
            raise InstallationError("init.administrator", value=text)
        login, full_name, email = parts
        if not is_name(login):
            raise InstallationError("init.login", value=login)
        if EMAIL.fullmatch(email) is None:
            raise InstallationError("init.email", value=email)
        try:
            inputs.email(email)
        except InvalidInput as refused:
            raise InstallationError("init.mailbox", value=email) from refused
        return cls(login=login, full_name=full_name, email=email)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """The users that the two programs run under, by name, and what the files are handed to."""

    gateway: str
    console: str
    owners: Owners

    @classmethod
    def named(cls, gateway: str | None, console: str | None, group: str) -> "Users | None":
        """Look them and the *group* of both up; None where none is named. Raises InstallationError."""
        if gateway is None and console is None:
            return None
        if gateway is None or console is None:
            raise InstallationError("init.two_users")
        return cls(gateway=gateway, console=console, owners=Owners.named(gateway, console, group))


def check(
    directory: Path, timezone: str, administrators: Sequence[Administrator], names: Sequence[str]
) -> None:
    """Raise InstallationError where ``initialise`` could not succeed; writes nothing."""
    try:
        if directory.exists() and any(directory.iterdir()):
            raise InstallationError("init.not_empty", directory=str(directory))
        if foreign(directory):
            raise InstallationError("init.foreign", directory=str(directory))
        disk = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        free, needed = shutil.disk_usage(disk).free, RecorderSection().min_free_bytes
        if free < needed:
            raise InstallationError(
                "init.no_room", directory=str(directory), free=free // MEBIBYTE, needed=needed // MEBIBYTE
            )
    except OSError as error:
        raise InstallationError("init.unusable", directory=str(directory), why=error.strerror) from error
    if timezone not in available_timezones():
        raise InstallationError("init.timezone", value=timezone)
    if len({administrator.login for administrator in administrators}) < ADMINISTRATORS:
        raise InstallationError("init.two_administrators")
    for name in names:
        if not _is_dns_name_or_address(name):
            raise InstallationError("init.api_name", value=name)


async def initialise(
    directory: Path,
    *,
    hospital: str,
    timezone: str,
    security_contact: str,
    administrators: Sequence[Administrator],
    clock: Clock,
    names: Sequence[str] = (),
    users: Users | None = None,
) -> Mapping[str, Secret]:
    """Make a new installation in *directory* and return its administrators' invitations by login.

    *names* are further DNS names or addresses that the certificates of API and gateway shall carry; *users* those that
    the two programs run under, to whom the files are handed (None: all stay the caller's). What was written is removed
    again whatever stops it. Raises InstallationError, PolicyError for a value that policy refuses,
    RecorderError.
    """
    check(directory, timezone, administrators, names)
    with all_or_nothing(directory):
        try:
            make_files(directory, hospital, clock, names)
            databases = _make_databases(directory, apart=users is not None)
            made = await _populate(
                databases, directory, hospital, timezone, security_contact, administrators, clock
            )
            _write_settings(directory / CONFIG_NAME, made.hospital.id, names, users, databases)
            if users is not None:
                users.owners.take(directory)
        except OSError as error:
            raise InstallationError("init.unusable", directory=str(directory), why=error.strerror) from error
        return {invited.person.login: invited.token for invited in made.invitations}


@contextmanager
def all_or_nothing(directory: Path) -> Iterator[None]:
    """Put things back as they were where the block fails or is cancelled: *directory* absent, or empty."""
    absent = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if absent:
            shutil.rmtree(absent[-1], ignore_errors=True)
        else:
            _empty(directory)
        raise


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_dns_name_or_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return DNS_NAME.fullmatch(name) is not None
    return True


def make_files(directory: Path, hospital_name: str, clock: Clock, names: Sequence[str]) -> None:
    """Make the folders, keys and certificates of a new installation; raises OSError."""
    for folder in ("", "keys", "tls", "spool", "traces", "search", "run"):
        (directory / folder).mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    directory.chmod(PRIVATE)
    Keyring.generate(directory / "keys/vault")
    make_host_keys(directory / "keys")
    make_host_authority(directory / "keys/host_ca")
    generate_key(directory / "keys/trace-signing.pem")
    generate_key(directory / "keys/checkpoint-signing.pem")
    make_reader(directory / "keys/readers", "hospital")
    make_authority(directory / "tls", hospital_name, clock.now())
    own = [name for name in local_names() if _is_dns_name_or_address(name)]
    make_server_certificate(directory / "tls", [*own, *names], clock.now())


def _make_databases(directory: Path, *, apart: bool) -> Mapping[str, str]:
    """Make the files of the embedded databases; return, where they lie apart, the URLs that the settings must name."""
    folder = directory.resolve()
    if apart:
        folder /= DATABASE_FOLDER
        folder.mkdir(mode=PRIVATE)
    # made here, empty and its owner's alone: the driver would go by the umask, and its journals go by this file
    for name in DATABASES.values():
        write_private(folder / name, b"")
    return {section: f"sqlite:///{folder / name}" for section, name in DATABASES.items()} if apart else {}


async def _populate(
    databases: Mapping[str, str],
    directory: Path,
    hospital: str,
    timezone: str,
    security_contact: str,
    administrators: Sequence[Administrator],
    clock: Clock,
) -> Initialised:
    # the hospital gets its id from policy, and the settings need it: a provisional one opens the databases
    urls = {section: {"url": url} for section, url in databases.items()}
    draft = build({"data_dir": str(directory.resolve()), "hospital_id": new_id(), **urls}, CONFIG_NAME)
    await to_its_end(trace_database.migrate(composition.recorder_settings(draft).catalog_url))
    built = await services.build(composition.policy_settings(draft), clock, migrate=True)
    try:
        return await built.hospitals.initialise(
            name=hospital,
            timezone=timezone,
            security_contact=security_contact,
            administrators=[(one.login, one.full_name, one.email) for one in administrators],
        )
    finally:
        await built.close()


def _write_settings(
    path: Path, hospital_id: str, names: Sequence[str], users: Users | None, databases: Mapping[str, str]
) -> None:
    known_as = json.dumps(list(names)) if names else '["bastion.hospital.example"]'
    text = f"""\
# Écluse: the settings of this installation. 'ecluse config check' reads it as the programs will;
# 'ecluse config show' lists every setting with its present value.
hospital_id = "{hospital_id}"
node = "node1"

[gateway]
{"" if users is None else _user(users.gateway)}host = "127.0.0.1"      # 0.0.0.0 to be reached from the suppliers' side
port = 2222
{"" if names else "# "}names = {known_as}      # what technicians type: the host keys are certified for it

# metrics_port = 9464     # /healthz, /readyz and /metrics, for this machine alone: docs/operator.md

[console]
{"" if users is None else _user(users.console)}host = "127.0.0.1"
port = 8443
# metrics_port = 9465

# A hospital's size asks for PostgreSQL; the password stays in a file of its own:
# [policy_database]
# url = "postgresql://ecluse@db.hospital.example/ecluse_policy"
# password_file = "/run/credentials/ecluse/policy-db"

# So does a store of traces that refuses to forget, on another machine: docs/operator.md, and deploy/s3/ for the rights.
# [store]
# bucket = "ecluse-traces"                                      # made with object lock
# endpoint = "https://s3.hospital.example"
# credentials = "keys/store-credentials"                        # the gateway's: it only adds
# console_credentials = "keys/console-store-credentials"
# ca = "tls/s3-ca.pem"
"""
    for section, url in databases.items():
        text += f"\n[{section}]          # shared by the two users\nurl = {json.dumps(url)}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _user(name: str) -> str:
    return f"user = {json.dumps(name)}\n"
