"""What ``ecluse doctor`` looks at on a machine; each check says what is wrong and the way out."""

import ctypes
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ecluse.settings import Settings
from policy.clock import Clock
from policy.errors import PolicyError
from policy.vault.keyring import Keyring

ASYNCSSH_VERSION = "2.24.1"
SMALLEST_RSA_HOST_KEY = 3072
CERTIFICATE_NOTICE = timedelta(days=30)
GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO
STA_UNSYNC = 0x0040  # adjtimex(2): the kernel's clock is not synchronised
LARGEST_DRIFT_MICROSECONDS = 1_000_000  # X17: one second
TIMEX_BYTES = 208  # sizeof(struct timex) on 64-bit Linux
TIMEX_LONG_FIELDS = 4  # modes (padded), offset, freq, maxerror come before esterror and status


class Level(StrEnum):
    """How bad a symptom is. ``FAILED`` keeps the installation from running safely."""

    GOOD = "good"
    NOTICE = "notice"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One check's outcome: what was looked at, how it is, and what to do where it is not good."""

    subject: str
    level: Level
    sentence: str
    remedy: str = ""


def examine(settings: Settings, clock: Clock) -> Iterator[Symptom]:
    """Yield a symptom for each thing looked at; never raises for what it finds."""
    yield from _permissions(settings)
    yield from _keys(settings)
    yield from _certificate(settings, clock)
    yield _clock()
    yield from _ports(settings)
    yield from _disk(settings)
    yield _stores(settings)
    yield _users(settings)
    yield _transport()


def _good(subject: str, sentence: str) -> Symptom:
    return Symptom(subject=subject, level=Level.GOOD, sentence=sentence)


def _failed(subject: str, sentence: str, remedy: str) -> Symptom:
    return Symptom(subject=subject, level=Level.FAILED, sentence=sentence, remedy=remedy)


def _notice(subject: str, sentence: str, remedy: str) -> Symptom:
    return Symptom(subject=subject, level=Level.NOTICE, sentence=sentence, remedy=remedy)


def _permissions(settings: Settings) -> Iterator[Symptom]:
    private = [settings.data_dir, settings.spool, settings.store, settings.keyring]
    secrets = [*settings.host_keys, settings.signing_key, settings.certificate_key]
    secrets += [settings.data_dir / "tls/ca.key"]
    for path in [*private, *secrets]:
        subject = f"permissions {path}"
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            yield _failed(subject, f"cannot be looked at: {error.strerror}", "restore it from the backup")
            continue
        if mode & GROUP_AND_OTHERS:
            yield _failed(subject, f"is {mode:04o}: others can reach it", f"chmod go= {path}")
        else:
            yield _good(subject, f"{mode:04o}")


def _keys(settings: Settings) -> Iterator[Symptom]:
    for path in settings.host_keys:
        subject = f"host key {path.name}"
        try:
            key = serialization.load_ssh_private_key(path.read_bytes(), None)
        except (OSError, ValueError) as error:
            yield _failed(
                subject, f"cannot be read: {error}", "restore it, or name another in gateway.host_keys"
            )
            continue
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SMALLEST_RSA_HOST_KEY:
            yield _failed(
                subject,
                f"is RSA of {key.key_size} bits",
                f"make one of {SMALLEST_RSA_HOST_KEY} bits or Ed25519",
            )
        else:
            yield _good(subject, type(key).__name__.removesuffix("PrivateKey"))
    try:
        keyring = Keyring.load(settings.keyring)
    except PolicyError as error:
        yield _failed("vault keyring", str(error), "restore the keyring from its escrow")
    else:
        yield _good("vault keyring", f"key {keyring.current} seals, {len(keyring.retired)} retired")


def _certificate(settings: Settings, clock: Clock) -> Iterator[Symptom]:
    for name, path in (("API certificate", settings.certificate), ("installation CA", settings.authority)):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            yield _failed(name, f"cannot be read: {error}", f"restore {path}")
            continue
        left = certificate.not_valid_after_utc - clock.now()
        if left <= timedelta():
            yield _failed(name, "has expired", "replace it, and restart the console")
        elif left < CERTIFICATE_NOTICE:
            yield _notice(name, f"expires in {left.days} days", "replace it, and restart the console")
        else:
            yield _good(name, f"valid for {left.days} days more")


def _clock() -> Symptom:
    buffer = (ctypes.c_long * (TIMEX_BYTES // ctypes.sizeof(ctypes.c_long)))()
    library = ctypes.CDLL(None, use_errno=True)
    remedy = "run chrony or systemd-timesyncd against two time sources: traces are dated by this clock"
    if library.adjtimex(ctypes.byref(buffer)) < 0:
        return _notice("clock", "the kernel would not say whether it is synchronised", remedy)
    error_microseconds = int(buffer[TIMEX_LONG_FIELDS - 1])
    status = int(buffer[TIMEX_LONG_FIELDS + 1]) & 0xFFFFFFFF
    if status & STA_UNSYNC:
        return _notice("clock", "is not synchronised", remedy)
    if error_microseconds > LARGEST_DRIFT_MICROSECONDS:
        return _failed("clock", f"may be off by {error_microseconds / 1e6:.1f} s", remedy)
    return _good("clock", f"synchronised, within {error_microseconds / 1000:.0f} ms")


def _ports(settings: Settings) -> Iterator[Symptom]:
    places = (
        ("gateway", settings.gateway.host, settings.gateway.port),
        ("console", settings.console.host, settings.console.port),
    )
    for name, host, port in places:
        subject = f"port of the {name}"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                running = (settings.run_directory / f"{name}.json").exists()
                if running:
                    yield _good(subject, f"{host}:{port} is held, as by the {name} that runs")
                else:
                    yield _failed(
                        subject, f"{host}:{port}: {error.strerror}", f"free it, or change {name}.port"
                    )
                continue
        yield _good(subject, f"{host}:{port} is free")


def _disk(settings: Settings) -> Iterator[Symptom]:
    places: tuple[tuple[str, Path], ...] = (("spool", settings.spool), ("trace store", settings.store))
    for name, path in places:
        try:
            free = shutil.disk_usage(path).free
        except OSError as error:
            yield _failed(f"disk of the {name}", f"{path}: {error.strerror}", "mount it")
            continue
        smallest = settings.recorder.min_free_bytes
        if free < smallest:
            yield _failed(
                f"disk of the {name}",
                f"{free >> 20} MiB free: no session opens under {smallest >> 20} MiB",
                "free some space, or grow the volume",
            )
        else:
            yield _good(f"disk of the {name}", f"{free >> 30} GiB free")


def _stores(settings: Settings) -> Symptom:
    if settings.evaluation_stores:
        return _notice(
            "databases",
            "embedded (SQLite): fit for evaluation and a small site",
            "a hospital's size asks for PostgreSQL: policy_database.url and trace_database.url",
        )
    return _good("databases", "PostgreSQL")


def _users(settings: Settings) -> Symptom:
    if settings.gateway.user is None or settings.gateway.user == settings.console.user:
        return _notice(
            "users",
            "the gateway and the console run under one user",
            "start as root with gateway.user and console.user, two system users of their own",
        )
    return _good("users", f"{settings.gateway.user} and {settings.console.user}")


def _transport() -> Symptom:
    found = version("asyncssh")
    if found != ASYNCSSH_VERSION:
        return _failed(
            "asyncssh",
            f"version {found}",
            f"install exactly {ASYNCSSH_VERSION}: its overrides are proven on it",
        )
    return _good("asyncssh", found)
