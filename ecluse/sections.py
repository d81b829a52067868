"""The sections of the settings file: one frozen model each, every wrong value refused by its key."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from admin_api.alarms.causes import MUTABLE
from admin_api.settings import MailTransport
from admin_api.syslog.settings import SyslogPayload, SyslogTransport
from ecluse.errors import SettingsError
from ecluse.operation import Port, Section, Watched
from recorder.settings import LockMode

PositiveSeconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
PositiveHours = Annotated[float, Field(gt=0, le=24)]
PositiveMinutes = Annotated[float, Field(gt=0, le=24 * 60)]
HostName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]


def _balancers(value: object) -> IPv4Network | IPv6Network:
    """Return *value*, an address or a network, as a network; one that holds every address there is is refused."""
    try:
        network = ip_network(str(value))
    except ValueError as error:
        raise PydanticCustomError("network", "write an address or a network") from error
    if network.prefixlen == 0:
        raise PydanticCustomError("network_all", "would believe everybody")
    return network


Balancers = Annotated[IPv4Network | IPv6Network, BeforeValidator(_balancers)]
RoleName = Annotated[str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$")]


class Part(StrEnum):
    """Who connects to a database: the owner (schema, local commands), or one of the two processes."""

    OWNER = "owner"
    GATEWAY = "gateway"
    CONSOLE = "console"


class Flows(StrEnum):
    """Whether the network filter must open the way to a device before it is dialled."""

    OFF = "off"
    REQUIRED = "required"


class DatabaseSection(Section):
    """One database: a SQLAlchemy URL without its password, which is read from ``password_file``.

    The URL's user owns the tables. On PostgreSQL the two processes connect as ``gateway_user`` and ``console_user``,
    which ``deploy/postgres/roles.sql`` gives what they need; unset, as the owner.
    """

    url: str | None = None
    password_file: Path | None = None
    gateway_user: RoleName | None = None
    gateway_password_file: Path | None = None
    console_user: RoleName | None = None
    console_password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _no_password_in_the_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        import sqlalchemy  # late: on SQLite nobody is told a URL, and a supervisor needs no database

        try:
            url = sqlalchemy.make_url(value)
        except sqlalchemy.exc.ArgumentError as error:
            raise PydanticCustomError("database_url", "write a database URL") from error
        if url.password is not None:
            raise PydanticCustomError("database_password", "holds a password")
        if url.drivername not in {"sqlite", "postgresql"}:
            raise PydanticCustomError("database_kind", "{kind} is not supported", {"kind": url.drivername})
        return value

    @property
    def embedded(self) -> bool:
        """Whether it is SQLite, which knows no users."""
        return self.url is None or self.url.startswith("sqlite")

    def user(self, part: Part) -> str | None:
        """Return the user that *part* has to itself on PostgreSQL, None where it connects as the owner."""
        if self.embedded:
            return None
        return {Part.GATEWAY: self.gateway_user, Part.CONSOLE: self.console_user}.get(part)

    def password(self, part: Part) -> Path | None:
        """Return the file with the password that *part* connects by, None where it has none."""
        if self.user(part) is None:
            return self.password_file
        return self.gateway_password_file if part is Part.GATEWAY else self.console_password_file

    def passwords_in(self, directory: Path) -> Self:
        """Return this with the passwords' relative paths taken from *directory*."""
        names = ("password_file", "gateway_password_file", "console_password_file")
        files = {name: directory / path for name in names if (path := getattr(self, name)) is not None}
        return self.model_copy(update=files)

    def resolve(self, default: Path, part: Part = Part.OWNER) -> str:
        """Return the full URL for *part*, *default* being the SQLite file used where none is set.

        Raises SettingsError when the password file cannot be read.
        """
        if self.url is None:
            return f"sqlite:///{default}"
        user, file = self.user(part), self.password(part)
        if user is None and file is None:
            return self.url
        if user is None and "@" not in self.url:
            raise SettingsError("settings.password_without_user")
        from sqlalchemy import make_url

        url = make_url(self.url)
        secret = None if file is None else _password(file)
        return url.set(username=user or url.username, password=secret).render_as_string(hide_password=False)


def _password(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise SettingsError("settings.password_unreadable", path=str(file), why=error.strerror) from error


class PolicySection(Section):
    """Limits of people and their defaults.

    ``four_eyes_days``: for how long who invited somebody, or renewed her log-in, may not approve with her.
    ``engagements``: technicians invited from now on accept the charter and the engagements before they connect.
    ``outage_grace_seconds``: how long a télémaintenance outlasts an unreachable trace store; a window may say longer.
    """

    session_limit: Count = 4
    four_eyes_days: Count = 30
    horizon_days: Count = 400
    invitation_days: Count = 7
    token_hours: Count = 12
    engagements: bool = True
    outage_grace_seconds: Annotated[int, Field(ge=0, le=60)] = 60


class GatewaySection(Watched):
    """The SSH side. Times are seconds. ``metrics_…``: where a balancer and a monitoring look.

    ``proxy_sources`` are the balancers' addresses or networks: what they send begins with a header of the PROXY protocol
    (version 2), and the client's address is the one in it. Nobody else's is believed.
    ``names`` are the DNS names and addresses that technicians type; unset, ``host`` and the machine's own name.
    ``host_authority`` is the private key that certifies the host keys; unset, the one made by ``init``.
    ``menu_seconds`` is how long the menu of a log-in without a device stays open, whatever is typed.
    ``flows``: ``required`` has the broker at ``flow_broker`` open the way to each device before it is dialled, and
    dials nothing without it; ``off`` dials whatever the network lets through.
    """

    host: str = "127.0.0.1"
    port: Port = 2222
    proxy_sources: tuple[Balancers, ...] = ()
    flows: Flows = Flows.OFF
    flow_broker: Path = Path("/run/ecluse/flows.sock")
    names: tuple[HostName, ...] = ()
    host_keys: tuple[Path, ...] = ()
    host_authority: Path | None = None
    login_grace_seconds: PositiveSeconds = 60.0
    menu_seconds: PositiveSeconds = 900.0
    max_unauthenticated: Count = 200
    max_unauthenticated_per_source: Count = 20
    max_channels: Count = 64
    max_inner_connections: Count = 8
    drain_seconds: PositiveSeconds = 10.0
    handover_seconds: PositiveSeconds = 43200.0
    responder_seconds: PositiveSeconds = 300.0
    user: str | None = None


class ConsoleSection(Watched):
    """The API's side. ``metrics_…``: where a monitoring looks. ``certificate`` and ``key`` are PEM files; unset, those made by ``init`` serve.

    ``trace_public_keys`` are PEM files of the gateways' public keys; unset, that of this node and of those that
    ``nodes new`` made here. ``public_url`` is where people find the pages, ``https://name:port``; unset, the console's own
    address under the gateway's first name. ``reader_keys`` are the private keys that open traces; unset, those made by
    ``init`` and ``readers new``. A session of the console ends after ``session_hours``, or after ``idle_minutes`` of rest; a
    sensitive act needs a code that is not older than ``fresh_minutes``. ``elsewhere``: on this machine is a gateway alone.
    """

    host: str = "127.0.0.1"
    port: Port = 8443
    public_url: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.:\[\]-]{1,253}$")] | None = None
    certificate: Path | None = None
    key: Path | None = None
    trace_public_keys: tuple[Path, ...] = ()
    reader_keys: tuple[Path, ...] = ()
    user: str | None = None
    elsewhere: bool = False
    session_hours: PositiveHours = 10.0
    idle_minutes: PositiveMinutes = 30.0
    fresh_minutes: PositiveMinutes = 10.0

    def url(self, *names: str) -> str:
        """Return where clients find the API: its own address, or the first of *names* where it listens on all."""
        chosen = names[0] if names and self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared
        return f"https://{f'[{chosen}]' if ':' in chosen else chosen}:{self.port}"


class MailSection(Section):
    """The hospital's mail server; without ``host`` nothing is mailed. ``ca`` is a PEM file; unset, the system's CAs.

    ``plain`` sends without TLS, and only to this machine. ``sender`` is the address that is written from.
    """

    host: HostName | None = None
    port: Port = 587
    transport: MailTransport = MailTransport.STARTTLS
    sender: Annotated[str, Field(pattern=r"^[^@\s<>]{1,64}@[A-Za-z0-9.-]{1,190}$")] = "ecluse@localhost"
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None


class AlarmsSection(Section):
    """Who is told of alarms, and from how many on something is one.

    ``mail_from`` and ``webhook_from`` are the least severity that is mailed and posted. ``webhook_secret_file`` holds
    the secret that messages are signed with, 32 characters or more. ``mute`` names kinds that are not raised.
    ``failed_logins`` counts an hour and one address, ``unseen_lines`` a session; what may leave a device is in MiB and
    files. ``clock_seconds``: how far two clocks may differ.
    """

    mail_from: Annotated[str, Field(pattern="^(critical|high|notice|never)$")] = "high"
    webhook_from: Annotated[str, Field(pattern="^(critical|high|notice)$")] = "notice"
    webhook_url: Annotated[str, Field(pattern=r"^https://[^\s/?#@]{1,253}(/[^\s#]{0,1000})?$")] | None = None
    webhook_secret_file: Path | None = None
    webhook_ca: Path | None = None
    mute: tuple[Annotated[str, Field(pattern=f"^({'|'.join(MUTABLE)})$")], ...] = ()
    failed_logins: Annotated[int, Field(ge=5, le=1000)] = 20
    unseen_lines: Annotated[int, Field(ge=1, le=1000)] = 10
    session_mib: Annotated[int, Field(ge=1, le=1024 * 1024)] = 2048
    session_files: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    day_mib: Annotated[int, Field(ge=1, le=1024 * 1024)] = 10240
    day_files: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    clock_seconds: Annotated[float, Field(ge=1, le=60)] = 5.0


class SyslogSection(Section):
    """The collector that the journal is sent to; without ``host`` it is sent nowhere.

    ``transport`` is ``relp``, which acknowledges, or ``tls``. ``name`` is what the collector's certificate must be for;
    unset, ``host``. ``ca``, ``certificate`` and ``key`` are PEM files; without ``ca`` the system's CAs serve, without
    the others no certificate is shown. ``max_bytes`` bounds a message; ``late_minutes`` is how long entries may wait
    before it is an alarm; ``whole`` begins with the first entry of the journal instead of the last day's.
    """

    host: HostName | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 20514
    transport: SyslogTransport = SyslogTransport.RELP
    payload: SyslogPayload = SyslogPayload.JSON
    name: HostName | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    max_bytes: Annotated[int, Field(ge=4096, le=65536)] = 8192
    facility: Annotated[int, Field(ge=0, le=23)] = 13
    late_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    whole: bool = False


class RecorderSection(Section):
    """Where traces go, and how long a write may take. ``min_free_bytes`` left on the spool, or nothing opens.

    ``spool_quota_bytes`` may wait there while the store takes nothing; then sessions end and none opens.

    ``reader_keys`` are the public keys of those for whom traces are sealed; unset, every one in ``keys/readers``.
    """

    spool: Path | None = None
    store: Path | None = None
    signing_key: Path | None = None
    reader_keys: tuple[Path, ...] = ()
    write_timeout_seconds: PositiveSeconds = 2.0
    min_free_bytes: Count = 256 * 1024 * 1024
    spool_quota_bytes: Annotated[int, Field(ge=1024 * 1024)] = 10 * 1024 * 1024 * 1024
    input_limit_bytes: Count = 64 * 1024 * 1024


class BucketSection(Section):
    """An S3-compatible bucket. ``credentials`` is a file as Amazon's tools write it; ``ca`` a PEM file, unset the system's."""

    bucket: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    endpoint: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,253}/?$")] | None = None
    region: Annotated[str, Field(pattern="^[a-z0-9-]{1,63}$")] = "us-east-1"
    prefix: Annotated[
        str, Field(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})*)?$")
    ] = ""
    credentials: Path | None = None
    ca: Path | None = None
    lock_mode: LockMode = LockMode.COMPLIANCE
    timeout_seconds: PositiveSeconds = 5.0


class AnchorBucketSection(BucketSection):
    """Where anchors are put besides: a bucket of another house, locked for ``retention_days`` (0: not locked)."""

    retention_days: Annotated[int, Field(ge=0)] = 1827


class StoreSection(BucketSection):
    """Where traces are kept: with ``bucket``, in an S3-compatible bucket, else in the folder ``recorder.store``.

    ``credentials`` and ``console_credentials`` are files as Amazon's tools write them, with ``aws_access_key_id`` and
    ``aws_secret_access_key``; unset, the console uses the gateway's. ``ca`` is a PEM file; unset, the system's CAs.
    ``retention_days`` is how long the store refuses to delete what came, in ``lock_mode``.
    """

    console_credentials: Path | None = None
    retention_days: Annotated[int, Field(ge=90)] = 183
    legal_hold: bool = False
    cache: Path | None = None
    cache_bytes: Count = 4096 * 1024 * 1024


class AuthoritySection(Section):
    """A time-stamping authority (RFC 3161): ``ca`` is a PEM file, ``policy`` the one that its stamps must name."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]{1,500}$")]
    ca: Path
    policy: Annotated[str, Field(pattern=r"^[0-2](\.[0-9]{1,12}){1,20}$")] | None = None


class CheckpointSection(Section):
    """Signed checkpoints of journal and catalogue. ``key`` signs them; the console reads it, no gateway does.

    ``public_keys`` are the keys by which they are verified, earlier ones too; unset, that of ``key``.
    ``every_minutes``: how often the console looks whether one is due, is stamped and is anchored. ``authorities`` stamp
    the newest one; ``late_hours`` without a stamp are an alarm. ``anchor_file`` and ``anchor_syslog`` (``unix:/dev/log``,
    ``udp://host:514``, ``tcp://host:514``) and ``anchor_bucket`` remember each one, elsewhere.
    """

    key: Path | None = None
    public_keys: tuple[Path, ...] = ()
    every_minutes: Annotated[float, Field(gt=0, le=1440)] = 10.0
    authorities: tuple[AuthoritySection, ...] = ()
    late_hours: Annotated[float, Field(gt=0)] = 24.0
    anchor_file: Path | None = None
    anchor_syslog: Annotated[str, Field(pattern=r"^(unix:/|udp://|tcp://)[^\s]{1,250}$")] | None = None
    anchor_bucket: AnchorBucketSection = AnchorBucketSection()


class VerificationSection(Section):
    """The verification of everything that the console does by itself, at the lowest priority.

    Every ``every_days`` days (0: never) at ``hour`` of the hospital's time, or at the console's next look after it.
    """

    every_days: Annotated[int, Field(ge=0, le=31)] = 1
    hour: Annotated[int, Field(ge=0, le=23)] = 2


class SearchSection(Section):
    """The index of what was on screen. ``folder`` is the console's user's alone; it holds what traces hold, unsealed.

    Rendering one trace may use ``cpu_seconds`` of processor time at the lowest priority, ``memory_mib`` of address
    space, and put ``text_mib`` of text into the index; what is over that is not found, and said so. ``replay_mib`` of long
    recordings are kept cut for the player, each sealed as its trace is; 0 keeps none.
    """

    enabled: bool = True
    folder: Path | None = None
    cpu_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    memory_mib: Annotated[int, Field(ge=256)] = 1024
    text_mib: Annotated[int, Field(ge=1, le=1024)] = 16
    replay_mib: Annotated[int, Field(ge=0)] = 4096


class VaultSection(Section):
    """Where the vault's keys are: a folder of key files, readable by the gateway and console users only."""

    keyring: Path | None = None


class RetentionSection(Section):
    """Days after which rows that serve nothing any more are removed; the journal and the traces are no part of it.

    ``outbox_days`` is less than the journal is kept: a change that it forgot while the outbox has it would come again.
    """

    attempts_days: Annotated[int, Field(ge=2)] = 90
    sessions_days: Annotated[int, Field(ge=90)] = 400
    tasks_days: Annotated[int, Field(ge=1)] = 90
    outbox_days: Annotated[int, Field(ge=1, le=365)] = 90
    bearers_days: Annotated[int, Field(ge=1)] = 90
