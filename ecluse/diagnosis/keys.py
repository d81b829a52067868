"""Keys and certificates: whether they can be read, are strong enough and still in force."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.host_keys import HostKeyUnusable, host_authority_line, read_host_key
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.errors import ReaderKeyUnusable, SignatureInvalid
from recorder.seal.ring import Guard, ReaderRing
from recorder.seal.signing import PublicKey, SigningKey

SMALLEST_RSA_HOST_KEY = 3072
CERTIFICATE_NOTICE = timedelta(days=30)


def host_keys(settings: Settings) -> Iterator[Symptom]:
    """Look at the gateway's SSH host keys."""
    for path in settings.host_keys:
        check = look("host_key", path=str(path))
        try:
            key = read_host_key(path)
        except HostKeyUnusable as error:
            yield check.failed("unreadable", why=str(error))
            continue
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SMALLEST_RSA_HOST_KEY:
            yield check.failed("weak", bits=key.key_size, least=SMALLEST_RSA_HOST_KEY)
        else:
            yield check.good(kind=type(key).__name__.removesuffix("PrivateKey"))


def host_authority(settings: Settings) -> Iterator[Symptom]:
    """Look at the CA that certifies the host keys, which technicians' clients believe."""
    path = settings.host_authority
    check = look("host_authority", path=str(path))
    if not path.exists():
        yield check.notice("missing")
        return
    try:
        read_host_key(path)
    except HostKeyUnusable as error:
        yield check.failed("unreadable", why=str(error))
        return
    if host_authority_line(path) is None:
        yield check.failed("no_public")
    else:
        yield check.good()


def signing_key(settings: Settings) -> Iterator[Symptom]:
    """Look at the key that signs traces, and at whether the console knows its public half."""
    check = look("signing_key", path=str(settings.signing_key))
    try:
        key = SigningKey.load(settings.signing_key)
    except SignatureInvalid as error:
        yield check.failed("unusable", why=str(error))
        return
    yield check.good(id=key.public.key_id)
    check = look("verifying_keys")
    try:
        known = {PublicKey.load(path).key_id for path in settings.trace_public_keys}
    except SignatureInvalid as error:
        yield check.failed("unusable", why=str(error))
        return
    yield check.good(count=len(known)) if key.public.key_id in known else check.failed("other")


def readers(settings: Settings, clock: Clock) -> Iterator[Symptom]:
    """Look at the keys that traces are sealed for, and at whether the console, if it is here, can open one of them."""
    check = look("readers")
    try:
        states = ReaderRing(settings.reader_places, clock.now).states()
    except ReaderKeyUnusable as error:
        yield check.failed("unusable", why=str(error))
        return
    active = [state for state in states if state.active]
    here = [state for state in active if state.guard is not Guard.ELSEWHERE]
    if not active:
        yield check.failed("none")
    elif settings.console.elsewhere:
        yield check.good("elsewhere", count=len(active))
    elif not here:
        yield check.notice("closed", count=len(active))
    elif not any(state.opened for state in here):
        yield check.good("locked", count=len(active), names=", ".join(state.name for state in here))
    else:
        yield check.good(count=len(active))


def certificates(settings: Settings, clock: Clock) -> Iterator[Symptom]:
    """Look at the API's certificate and key, and at the CA that clients pin."""
    for name, path in (("certificate", settings.certificate), ("authority", settings.authority)):
        check = look(name, path=str(path))
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            yield check.failed("unreadable", why=getattr(error, "strerror", None) or "PEM")
            continue
        left = certificate.not_valid_after_utc - clock.now()
        if left <= timedelta():
            yield check.failed("expired", since=certificate.not_valid_after_utc)
        elif certificate.not_valid_before_utc > clock.now():
            yield check.failed("early", since=certificate.not_valid_before_utc)
        elif name == "certificate" and not _matches(settings, certificate):
            yield check.failed("other_key", private_key=str(settings.certificate_key))
        elif name == "certificate" and (called := _called_otherwise(settings, certificate)):
            yield check.failed("other_name", name=called)
        elif left < CERTIFICATE_NOTICE:
            yield check.notice("ending", days=left.days)
        elif name == "certificate" and not _loopback(settings) and _own(settings, certificate):
            yield check.notice("own", authority=str(settings.authority))
        else:
            yield check.good(days=left.days)


def _called_otherwise(settings: Settings, certificate: x509.Certificate) -> str | None:
    """Return the name or address under which people come where *certificate* is not for it (RFC 9525); else None."""
    called = urlsplit(settings.pages_url or "").hostname
    if called is None:
        return None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return called
    try:
        address = ip_address(called)
    except ValueError:
        known = {each.lower() for each in names.get_values_for_type(x509.DNSName)}
        return None if known & {called, "*." + called.partition(".")[2]} else called
    return None if address in names.get_values_for_type(x509.IPAddress) else called


def _own(settings: Settings, certificate: x509.Certificate) -> bool:
    """Tell whether this installation's own CA signed it: no browser outside knows that one by itself."""
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(settings.authority.read_bytes()))
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return True


def _loopback(settings: Settings) -> bool:
    try:
        return ip_address(settings.console.host).is_loopback
    except ValueError:
        return settings.console.host == "localhost"


def _matches(settings: Settings, certificate: x509.Certificate) -> bool:
    try:
        key = load_pem_private_key(settings.certificate_key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return False
    return key.public_key() == certificate.public_key()
