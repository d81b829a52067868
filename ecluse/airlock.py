"""The two-tier lock's own settings file, and the keys by which its two sides know each other.

The front's machine has no installation: ``airlock.toml`` and three files beside it are all that it holds.
"""

import hashlib
import re
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ecluse import certificates
from ecluse import settings as configuration
from ecluse.errors import StartError
from ecluse.operation import Port
from ecluse.sections import Count, HostName, PositiveSeconds
from gateway.airlock.settings import FrontSettings, RelaySettings
from recorder.seal.signing import generate_key

FILE = "airlock.toml"
LIFE = timedelta(days=825)
SOON = timedelta(days=30)
FRONT_PORT: Final = 7022
PLACE: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
"""``name:port``, ``192.0.2.1:port`` or ``[2001:db8::1]:port``."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrontSection(_Section):
    """The front: ``host`` and ``port`` are for technicians, ``relay_host`` and ``relay_port`` for relays dialling out.

    ``certificate`` and ``key`` are its own; ``relays`` are the certificates of the relays that it takes. Its self-audits
    say ``name``, are signed by ``audit_key``, and take what ``listens`` names (``22/tcp``) for the machine's own.
    """

    host: str = "0.0.0.0"  # noqa: S104 - a front is there to be reached from everywhere
    port: Port = 2222
    relay_host: str
    relay_port: Port = FRONT_PORT
    certificate: Path = Path("front.pem")
    key: Path = Path("front.key")
    relays: Annotated[tuple[Path, ...], Field(min_length=1)] = (Path("relay.pem"),)
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")] = "front"
    audit_key: Path = Path("self-audit.pem")
    listens: tuple[Annotated[str, Field(pattern="^[0-9]{1,5}/(tcp|udp)$")], ...] = ()
    max_clients: Count = 1000
    max_clients_per_source: Count = 100
    drain_seconds: PositiveSeconds = 10.0


class RelaySection(_Section):
    """The relay: the ``fronts`` it dials (``name:port``), and the gateway's ``host`` and ``port``.

    ``certificate`` and ``key`` are its own; ``front_certificates`` are those of the fronts. ``waiting`` connections are
    held ready at each front.
    """

    fronts: Annotated[tuple[Annotated[str, Field(pattern=f"^{PLACE.pattern}$")], ...], Field(min_length=1)]
    gateway_host: HostName = "127.0.0.1"
    gateway_port: Port = 2222
    certificate: Path = Path("relay.pem")
    key: Path = Path("relay.key")
    front_certificates: Annotated[tuple[Path, ...], Field(min_length=1)] = (Path("front.pem"),)
    waiting: Annotated[int, Field(ge=1, le=128)] = 16
    drain_seconds: PositiveSeconds = 10.0


class AirlockFile(_Section):
    """``airlock.toml``: one side of the lock."""

    front: FrontSection | None = None
    relay: RelaySection | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.front is None) == (self.relay is None):
            raise PydanticCustomError(
                "airlock_side", "one of [front] and [relay] has to be there, on its own machine"
            )
        return self


def load(path: Path) -> AirlockFile:
    """Read and check the lock's settings in *path*. Raises SettingsError naming each wrong key."""
    values = configuration.read(path)
    try:
        return AirlockFile(**values)
    except ValidationError as error:
        raise configuration.refused(error, str(path)) from error


def front_settings(section: FrontSection, folder: Path) -> FrontSettings:
    """Return what the front runs by; files are taken from *folder*. Raises StartError."""
    pinned = _read_pinned(folder, section.relays)
    return FrontSettings(
        host=section.host,
        port=section.port,
        relay_host=section.relay_host,
        relay_port=section.relay_port,
        tls=_context(ssl.PROTOCOL_TLS_SERVER, folder, section.certificate, section.key, pinned),
        relays=frozenset(map(_digest, pinned)),
        clients=section.max_clients,
        clients_per_source=section.max_clients_per_source,
        drain_seconds=section.drain_seconds,
    )


def relay_settings(section: RelaySection, folder: Path) -> RelaySettings:
    """Return what the relay runs by; files are taken from *folder*. Raises StartError."""
    pinned = _read_pinned(folder, section.front_certificates)
    places = (place.rpartition(":") for place in section.fronts)
    return RelaySettings(
        fronts=tuple((host.strip("[]"), int(port)) for host, _, port in places),
        gateway_host=section.gateway_host,
        gateway_port=section.gateway_port,
        tls=_context(ssl.PROTOCOL_TLS_CLIENT, folder, section.certificate, section.key, pinned),
        front_digests=frozenset(map(_digest, pinned)),
        waiting=section.waiting,
        drain_seconds=section.drain_seconds,
    )


def certificate_files(settings: AirlockFile) -> tuple[Path, ...]:
    """Return every certificate that a side reads: its own first."""
    if settings.front is not None:
        return (settings.front.certificate, *settings.front.relays)
    return (
        (settings.relay.certificate, *settings.relay.front_certificates) if settings.relay is not None else ()
    )


def ends(path: Path) -> datetime:
    """Return when the certificate in the PEM file *path* ends, in UTC. Raises StartError."""
    return _read(path).not_valid_after_utc


def make_keys(folder: Path, front_place: str, at: datetime) -> tuple[Path, Path]:
    """Make the two sides' folders in *folder*, ``front`` and ``relay``, each with all that its machine needs.

    *front_place* is where the relay will find the front, ``name:port``. Raises FileExistsError, OSError, SignatureInvalid.
    """
    made = []
    for own in ("front", "relay"):
        side = folder / own
        side.mkdir(mode=0o700, parents=True)
        certificates.make_pinned_certificate(side, own, at, LIFE)
        made.append(side)
    front, relay = made
    generate_key(front / FrontSection.model_fields["audit_key"].default)
    (front / "relay.pem").write_bytes((relay / "relay.pem").read_bytes())
    (relay / "front.pem").write_bytes((front / "front.pem").read_bytes())
    port = front_place.rpartition(":")[2]
    (front / FILE).write_text(
        "# The machine before the hospital's network. host and port: for technicians;\n"
        "# relay_host and relay_port: the inner address, for the relay that dials out to here.\n"
        f'[front]\nhost = "0.0.0.0"\nport = 2222\nrelay_host = "0.0.0.0"\nrelay_port = {port}\n',
        encoding="utf-8",
    )
    (relay / FILE).write_text(
        "# The machine inside. The gateway has to know that the relay speaks for others:\n"
        '# proxy_sources = ["127.0.0.1"] under [gateway] of ecluse.toml.\n'
        f'[relay]\nfronts = ["{front_place}"]\ngateway_host = "127.0.0.1"\ngateway_port = 2222\n',
        encoding="utf-8",
    )
    return front, relay


def secrets(settings: AirlockFile, folder: Path) -> list[Path]:
    """Return the files of this side that nobody else may read."""
    side = settings.front or settings.relay
    return [folder / side.key] if side is not None else []


def _context(
    protocol: int, folder: Path, certificate: Path, key: Path, pinned: list[x509.Certificate]
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the very certificate is known: a name in it would add nothing
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # each is its own authority, and nobody else's
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = (
            0  # nobody resumes: a certificate taken off the list is refused at the next dialling
        )
    for one in pinned:
        context.load_verify_locations(cadata=one.public_bytes(serialization.Encoding.PEM).decode())
    try:
        context.load_cert_chain(folder / certificate, folder / key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            "airlock.key_unusable", path=str(folder / key), why=error.strerror or str(error)
        ) from error
    return context


def _read_pinned(folder: Path, paths: tuple[Path, ...]) -> list[x509.Certificate]:
    return [_read(folder / path) for path in paths]


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise StartError("start.unreadable", path=str(path), why=error.strerror) from error
    except ValueError as error:
        raise StartError("airlock.no_certificate", path=str(path)) from error


def _digest(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
