"""What ``ecluse init`` makes: a data directory, its keys, its databases, a CA and its first administrators."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from ecluse import composition
from ecluse.certificates import local_names, make_authority, make_server_certificate
from ecluse.host_keys import make_host_keys
from ecluse.settings import CONFIG_NAME, SettingsError, build
from policy import services
from policy.clock import Clock
from policy.domain.ids import is_name, new_id
from policy.errors import PolicyError
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from recorder.errors import RecorderError
from recorder.seal.signing import generate_key
from recorder.store import database as trace_database

PRIVATE = 0o700
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
ADMINISTRATORS = 2
"""Nobody approves their own window, so one administrator alone can open nothing."""


class InstallationError(Exception):
    """The installation cannot be made; the message says what to change, and nothing was left behind."""


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
            raise InstallationError(
                f"--administrator {text!r}: write login:Full Name:e-mail, "
                "as in dsi:Denise Martin:denise.martin@hospital.example"
            )
        login, full_name, email = parts
        if not is_name(login):
            raise InstallationError(
                f"--administrator {login!r}: a login is lower-case letters, digits, '.', '_' and '-'"
            )
        if EMAIL.fullmatch(email) is None:
            raise InstallationError(f"--administrator {email!r}: is not an e-mail address")
        return cls(login=login, full_name=full_name, email=email)


def check(directory: Path, timezone: str, administrators: Sequence[Administrator]) -> None:
    """Raise InstallationError where ``make`` could not succeed; writes nothing."""
    if directory.exists() and any(directory.iterdir()):
        raise InstallationError(f"{directory} is not empty: choose a new directory, nothing is overwritten")
    if timezone not in available_timezones():
        raise InstallationError(f"--timezone {timezone!r}: write an IANA name, as Europe/Paris")
    if len({administrator.login for administrator in administrators}) < ADMINISTRATORS:
        raise InstallationError(
            "name two administrators with --administrator, twice: nobody approves their own window"
        )


async def initialise(
    directory: Path,
    *,
    hospital: str,
    timezone: str,
    security_contact: str,
    administrators: Sequence[Administrator],
    clock: Clock,
    names: Sequence[str] = (),
) -> Mapping[str, Secret]:
    """Make a new installation in *directory* and return its administrators' invitations by login.

    *names* are further DNS names or addresses that the API's certificate shall carry. What was written is
    removed again when anything fails. Raises InstallationError.
    """
    check(directory, timezone, administrators)
    created = not directory.exists()
    try:
        _make_files(directory, hospital, clock, names)
        return await _populate(directory, hospital, timezone, security_contact, administrators, clock)
    except (OSError, SettingsError, PolicyError, RecorderError) as error:
        _remove(directory, whole=created)
        raise InstallationError(f"{directory}: {error}") from error


def _make_files(directory: Path, hospital_name: str, clock: Clock, names: Sequence[str]) -> None:
    for folder in ("", "keys", "tls", "spool", "traces", "run"):
        (directory / folder).mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    directory.chmod(PRIVATE)
    Keyring.generate(directory / "keys/vault")
    make_host_keys(directory / "keys")
    generate_key(directory / "keys/trace-signing.pem")
    make_authority(directory / "tls", hospital_name, clock.now())
    make_server_certificate(directory / "tls", [*local_names(), *names], clock.now())


async def _populate(
    directory: Path,
    hospital: str,
    timezone: str,
    security_contact: str,
    administrators: Sequence[Administrator],
    clock: Clock,
) -> Mapping[str, Secret]:
    # the hospital gets its id from policy, and the settings need it: a provisional one opens the databases
    draft = build({"data_dir": str(directory.resolve()), "hospital_id": new_id()}, CONFIG_NAME)
    await trace_database.migrate(composition.recorder_settings(draft).catalog_url)
    built = await services.build(composition.policy_settings(draft), clock, migrate=True)
    try:
        made = await built.hospitals.initialise(
            name=hospital,
            timezone=timezone,
            security_contact=security_contact,
            administrators=[(one.login, one.full_name, one.email) for one in administrators],
        )
    finally:
        await built.close()
    _write_settings(directory / CONFIG_NAME, made.hospital.id)
    return {invited.person.login: invited.token for invited in made.invitations}


def _remove(directory: Path, *, whole: bool) -> None:
    if whole:
        shutil.rmtree(directory, ignore_errors=True)
        return
    # the directory was there before, and empty
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write_settings(path: Path, hospital_id: str) -> None:
    text = f"""\
# Écluse: the settings of this installation. 'ecluse config check' reads it as the programs will;
# 'ecluse config show' lists every setting with its present value.
hospital_id = "{hospital_id}"
node = "node1"

[gateway]
host = "127.0.0.1"      # 0.0.0.0 to be reached from the suppliers' side
port = 2222

[console]
host = "127.0.0.1"
port = 8443

# A hospital's size asks for PostgreSQL; the password stays in a file of its own:
# [policy_database]
# url = "postgresql://ecluse@db.hospital.example/ecluse_policy"
# password_file = "/run/credentials/ecluse/policy-db"
"""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
