"""How the console's port speaks TLS, found out by speaking it: versions, suites, certificate, HSTS."""

import http.client
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ecluse.diagnosis.keys import CERTIFICATE_NOTICE
from ecluse.diagnosis.symptom import Symptom, look

_SECONDS: Final = 10.0
_OLD: Final = (("TLS 1.0", ssl.TLSVersion.TLSv1), ("TLS 1.1", ssl.TLSVersion.TLSv1_1))
_NEW: Final = (("TLS 1.2", ssl.TLSVersion.TLSv1_2), ("TLS 1.3", ssl.TLSVersion.TLSv1_3))
_NEWEST: Final = "TLS 1.3"
_ALL: Final = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_NOT_PROMISED: Final = "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:@SECLEVEL=0"
"""Every suite of TLS 1.2 that this machine can speak, but those that we promise (`admin_api.server`)."""
_UNABLE: Final = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "INTERNAL_ERROR"})
"""What OpenSSL says where it is this end that cannot: then nobody was asked."""
_LEAST_RSA: Final = 2048
_LEAST_CURVE: Final = 256
_LEAST_HSTS: Final = timedelta(days=180)
_WEAK_HASHES: Final = frozenset({"md5", "sha1"})
_OTHER_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


class _Unable(Exception):
    """This machine cannot ask."""


def port(host: str, number: int, name: str, authority: Path, now: datetime) -> list[Symptom]:
    """Look at the TLS of *host* at *number*, known as *name*, whose clients believe the CA in *authority*."""
    place = f"{host}:{number}"
    try:
        with socket.create_connection((host, number), _SECONDS):
            pass
    except OSError as error:
        return [look("tls_versions", place=place).undone("silent", why=error.strerror or str(error))]
    return [
        *_versions(host, number),
        *_suites(host, number),
        *_certificate(host, number, name, authority, now),
        *_strictness(host, number, name),
    ]


def relays(host: str, number: int) -> list[Symptom]:
    """Look at the port of the two-tier lock's front that relays dial: TLS 1.3 alone, and nothing for who shows no certificate."""
    check = look("tls_relays", place=f"{host}:{number}")
    try:
        with socket.create_connection((host, number), _SECONDS):
            pass
        spoken = {told: _spoken(host, number, version, _ALL) for told, version in (*_OLD, *_NEW)}
        admitted = _admitted(host, number)
    except (OSError, _Unable) as error:
        return [check.undone("silent", why=getattr(error, "strerror", None) or str(error))]
    old = [told for told, suite in spoken.items() if suite is not None and told != _NEWEST]
    if old or spoken[_NEWEST] is None:
        return [check.failed("old", versions=", ".join(old) or "–")]
    return [check.failed("admitted") if admitted else check.good()]


def _admitted(host: str, number: int) -> bool:
    """Tell whether who shows no certificate is let in: kept waiting, and not sent away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whether it lets us in, not to whom
    try:
        with (
            socket.create_connection((host, number), _SECONDS) as plain,
            context.wrap_socket(plain) as spoken,
        ):
            return spoken.recv(1) != b""
    except TimeoutError:
        return True
    except (ssl.SSLError, ConnectionError):
        return False


def _versions(host: str, number: int) -> Iterator[Symptom]:
    check = look("tls_versions", place=f"{host}:{number}")
    spoken: dict[str, str | None] = {}
    for told, version in (*_OLD, *_NEW):
        try:
            spoken[told] = _spoken(host, number, version, _ALL)
        except _Unable as unable:
            yield check.undone("unable", version=told, why=str(unable))
    old = [told for told, _ in _OLD if spoken.get(told)]
    new = [told for told, _ in _NEW if spoken.get(told)]
    if old:
        yield check.failed("old", versions=", ".join(old))
    if not new:
        yield check.failed("none")
    elif not old and all(told in spoken for told, _ in _OLD):
        yield check.good("modern", versions=", ".join(new))


def _suites(host: str, number: int) -> Iterator[Symptom]:
    check = look("tls_suites", place=f"{host}:{number}")
    try:
        weak = _spoken(host, number, ssl.TLSVersion.TLSv1_2, _NOT_PROMISED)
    except _Unable as unable:
        yield check.undone("unable", why=str(unable))
        return
    yield check.good("promised") if weak is None else check.failed("weak", suite=weak)


def _spoken(host: str, number: int, version: ssl.TLSVersion, suites: str) -> str | None:
    """Return the suite agreed on in this one *version*, None where the other end refuses. Raises _Unable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whether it speaks so, not to whom
    try:
        context.set_ciphers(suites)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # that a version is old is why it is asked for
            context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection((host, number), _SECONDS) as plain,
            context.wrap_socket(plain) as spoken,
        ):
            agreed = spoken.cipher()
    except ssl.SSLError as error:
        if error.reason in _UNABLE:
            raise _Unable(error.reason) from error
        return None
    except ConnectionError:
        return None
    except OSError as error:
        raise _Unable(error.strerror or str(error)) from error
    return agreed[0] if agreed is not None else None


def _certificate(host: str, number: int, name: str, authority: Path, now: datetime) -> Iterator[Symptom]:
    check = look("tls_certificate", place=f"{host}:{number}")
    try:
        shown = x509.load_pem_x509_certificate(
            ssl.get_server_certificate((host, number), timeout=_SECONDS).encode()
        )
    except (OSError, ValueError) as error:
        yield check.undone("unread", why=str(error))
        return
    left = shown.not_valid_after_utc - now
    hashed = shown.signature_hash_algorithm
    if left <= timedelta():
        yield check.failed("expired", since=shown.not_valid_after_utc)
    elif left < CERTIFICATE_NOTICE:
        yield check.notice("ending", days=left.days)
    if (weak := _weak_key(shown)) is not None:
        yield check.failed("weak_key", kind=weak)
    if hashed is not None and hashed.name in _WEAK_HASHES:
        yield check.failed("weak_hash", hash=hashed.name)
    fault = _unbelieved(host, number, name, authority)
    if fault is not None and left > timedelta():
        yield (
            check.failed("other_name", name=name)
            if fault[0] in _OTHER_NAME
            else check.notice("chain", why=fault[1])
        )
    if fault is None and left >= CERTIFICATE_NOTICE:
        yield check.good("believed", name=name, days=left.days)


def _weak_key(shown: x509.Certificate) -> str | None:
    key = shown.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}" if key.key_size < _LEAST_RSA else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.key_size}" if key.key_size < _LEAST_CURVE else None
    return None if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) else type(key).__name__


def _unbelieved(host: str, number: int, name: str, authority: Path) -> tuple[int, str] | None:
    """Return why a client that pins *authority*, or has the system's CAs, does not believe it; None where one does."""
    fault: tuple[int, str] | None = None
    for file in (authority, None):
        try:
            context = ssl.create_default_context(cafile=file)
            with (
                socket.create_connection((host, number), _SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=name),
            ):
                return None
        except ssl.SSLCertVerificationError as error:
            found = (error.verify_code, error.verify_message)
            fault = found if fault is None or found[0] in _OTHER_NAME else fault
        except OSError as error:  # no such file, or no answer
            fault = fault or (0, error.strerror or str(error))
    return fault


def _strictness(host: str, number: int, name: str) -> Iterator[Symptom]:
    check = look("tls_hsts", place=f"{host}:{number}")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # its certificate has been looked at
    client = http.client.HTTPSConnection(host, number, timeout=_SECONDS, context=context)
    try:
        client.request("GET", "/", headers={"Host": f"{name}:{number}"})
        header = client.getresponse().getheader("Strict-Transport-Security")
    except (OSError, http.client.HTTPException) as error:
        yield check.undone("silent", why=str(error))
        return
    finally:
        client.close()
    words = [word.strip().partition("=") for word in (header or "").lower().split(";")]
    age = next(
        (
            int(value.strip('"'))
            for key, _, value in words
            if key == "max-age" and value.strip('"').isdecimal()
        ),
        0,
    )
    yield check.good(days=age // 86_400) if age >= _LEAST_HSTS.total_seconds() else check.failed("missing")
