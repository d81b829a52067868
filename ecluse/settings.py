"""The installation's settings: one TOML file and ``ECLUSE_*`` variables, read once and handed over.

Each package receives its own frozen settings type; nothing below this package reads the environment.
Secrets are named by the path of a file, so that systemd credentials fit, and never written here.
"""

import os
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from typing_extensions import override

from admin_api.settings import MailTransport
from ecluse.errors import SettingsError

CONFIG_VARIABLE = "ECLUSE_CONFIG"
CONFIG_NAME = "ecluse.toml"
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - looked for, not listened on
SYSTEM_CONFIG = Path("/etc/ecluse") / CONFIG_NAME

Port = Annotated[int, Field(ge=0, le=65535)]
PositiveSeconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
HostName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSection(_Section):
    """One database: a SQLAlchemy URL without its password, which is read from ``password_file``."""

    url: str | None = None
    password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _no_password_in_the_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = make_url(value)
        except ArgumentError as error:
            raise PydanticCustomError("database_url", "write a database URL") from error
        if url.password is not None:
            raise PydanticCustomError("database_password", "holds a password")
        if url.drivername not in {"sqlite", "postgresql"}:
            raise PydanticCustomError("database_kind", "{kind} is not supported", {"kind": url.drivername})
        return value

    def resolve(self, default: Path) -> str:
        """Return the full URL, *default* being the SQLite file used where none is set.

        Raises SettingsError when the password file cannot be read.
        """
        if self.url is None:
            return f"sqlite:///{default}"
        if self.password_file is None:
            return self.url
        try:
            password = self.password_file.read_text().strip()
        except OSError as error:
            raise SettingsError(
                "settings.password_unreadable", path=str(self.password_file), why=error.strerror
            ) from error
        scheme, _, rest = self.url.partition("://")
        user, at, place = rest.partition("@")
        if not at:
            raise SettingsError("settings.password_without_user")
        return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


class PolicySection(_Section):
    """Limits of people and their defaults.

    ``four_eyes_days``: for how long who invited somebody, or renewed her log-in, may not approve with her.
    ``engagements``: technicians invited from now on accept the charter and the engagements before they connect.
    """

    session_limit: Count = 4
    four_eyes_days: Count = 30
    horizon_days: Count = 400
    invitation_days: Count = 7
    token_hours: Count = 12
    engagements: bool = True


class GatewaySection(_Section):
    """The SSH side. Times are seconds.

    ``names`` are the DNS names and addresses that technicians type; unset, ``host`` and the machine's own name.
    ``host_authority`` is the private key that certifies the host keys; unset, the one made by ``init``.
    """

    host: str = "127.0.0.1"
    port: Port = 2222
    names: tuple[HostName, ...] = ()
    host_keys: tuple[Path, ...] = ()
    host_authority: Path | None = None
    login_grace_seconds: PositiveSeconds = 60.0
    max_unauthenticated: Count = 200
    max_unauthenticated_per_source: Count = 20
    max_channels: Count = 64
    max_inner_connections: Count = 8
    drain_seconds: PositiveSeconds = 10.0
    user: str | None = None


class ConsoleSection(_Section):
    """The API's side. ``certificate`` and ``key`` are PEM files; unset, those made by ``init`` serve.

    ``trace_public_keys`` are PEM files of the gateways' public keys; unset, that of this node. ``public_url`` is where
    people find the pages, ``https://name:port``; unset, the console's own address under the gateway's first name.
    ``trace_public_keys`` are PEM files of the gateways' public keys; unset, that of this node. ``reader_keys`` are
    the private keys that open traces; unset, those made by ``init`` and ``readers new``.
    """

    host: str = "127.0.0.1"
    port: Port = 8443
    public_url: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.:\[\]-]{1,253}$")] | None = None
    certificate: Path | None = None
    key: Path | None = None
    trace_public_keys: tuple[Path, ...] = ()
    reader_keys: tuple[Path, ...] = ()
    user: str | None = None

    def url(self, *names: str) -> str:
        """Return where clients find the API: its own address, or the first of *names* where it listens on all."""
        chosen = names[0] if names and self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared
        return f"https://{f'[{chosen}]' if ':' in chosen else chosen}:{self.port}"


class MailSection(_Section):
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


class RecorderSection(_Section):
    """Where traces go, and how long a write may take. ``min_free_bytes`` left on the spool, or nothing opens.

    ``reader_keys`` are the public keys of those for whom traces are sealed; unset, every one in ``keys/readers``.
    """

    spool: Path | None = None
    store: Path | None = None
    signing_key: Path | None = None
    reader_keys: tuple[Path, ...] = ()
    write_timeout_seconds: PositiveSeconds = 2.0
    min_free_bytes: Count = 256 * 1024 * 1024
    input_limit_bytes: Count = 64 * 1024 * 1024


class VaultSection(_Section):
    """Where the vault's keys are: a folder of key files, readable by the gateway and console users only."""

    keyring: Path | None = None


class RetentionSection(_Section):
    """Days after which rows that serve nothing any more are removed; the journal and the traces are no part of it."""

    attempts_days: Annotated[int, Field(ge=2)] = 90
    sessions_days: Annotated[int, Field(ge=90)] = 400
    tasks_days: Annotated[int, Field(ge=1)] = 90
    outbox_days: Annotated[int, Field(ge=1)] = 90
    bearers_days: Annotated[int, Field(ge=1)] = 90


class LogSection(_Section):
    """How chatty the logs are."""

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"


class Settings(BaseSettings):
    """Everything an installation sets. Relative paths are taken from the data directory."""

    model_config = SettingsConfigDict(
        env_prefix="ECLUSE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path
    hospital_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    node: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")] = "node1"
    policy_database: DatabaseSection = DatabaseSection()
    trace_database: DatabaseSection = DatabaseSection()
    policy: PolicySection = PolicySection()
    gateway: GatewaySection = GatewaySection()
    console: ConsoleSection = ConsoleSection()
    recorder: RecorderSection = RecorderSection()
    vault: VaultSection = VaultSection()
    retention: RetentionSection = RetentionSection()
    mail: MailSection = MailSection()
    log: LogSection = LogSection()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let a variable override the file, whose values come in as arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def path(self, value: Path | None, default: str) -> Path:
        """Return *value*, or *default*, taken from the data directory where it is relative."""
        return self.data_dir / (value if value is not None else Path(default))

    @property
    def keyring(self) -> Path:
        """The folder of the vault's keys."""
        return self.path(self.vault.keyring, "keys/vault")

    @property
    def host_keys(self) -> tuple[Path, ...]:
        """The gateway's SSH host key files, the preferred type first."""
        chosen = self.gateway.host_keys or (Path("keys/host_ed25519"), Path("keys/host_ecdsa"))
        return tuple(self.data_dir / path for path in chosen)

    @property
    def gateway_names(self) -> tuple[str, ...]:
        """The names under which clients reach the gateway, the preferred first."""
        chosen = self.gateway
        if chosen.names:
            return chosen.names
        own = socket.gethostname()
        return (own,) if chosen.host in _WILDCARDS else tuple(dict.fromkeys((chosen.host, own)))

    @property
    def host_authority(self) -> Path:
        """The host CA's private key (OpenSSH); its public line stands beside it, in ``….pub``."""
        return self.path(self.gateway.host_authority, "keys/host_ca")

    @property
    def signing_key(self) -> Path:
        """The Ed25519 key that signs manifests."""
        return self.path(self.recorder.signing_key, "keys/trace-signing.pem")

    @property
    def trace_public_keys(self) -> tuple[Path, ...]:
        """The public keys of the gateways whose traces the console verifies: by default this node's own."""
        if self.console.trace_public_keys:
            return tuple(self.data_dir / path for path in self.console.trace_public_keys)
        return (self.signing_key.with_name(self.signing_key.name + ".pub"),)

    @property
    def readers(self) -> Path:
        """The folder where ``init`` and ``readers new`` keep the readers' keys."""
        return self.data_dir / "keys/readers"

    @property
    def reader_public_keys(self) -> tuple[Path, ...]:
        """The public keys that the gateway seals traces for."""
        if self.recorder.reader_keys:
            return tuple(self.data_dir / path for path in self.recorder.reader_keys)
        return tuple(sorted(self.readers.glob("*.pem.pub")))

    @property
    def reader_keys(self) -> tuple[Path, ...]:
        """The private keys with which the console opens traces."""
        if self.console.reader_keys:
            return tuple(self.data_dir / path for path in self.console.reader_keys)
        return tuple(sorted(self.readers.glob("*.pem")))

    @property
    def spool(self) -> Path:
        """Where live traces are written."""
        return self.path(self.recorder.spool, "spool")

    @property
    def store(self) -> Path:
        """Where closed traces are kept."""
        return self.path(self.recorder.store, "traces")

    @property
    def certificate(self) -> Path:
        """The API's certificate chain (PEM)."""
        return self.path(self.console.certificate, "tls/api.pem")

    @property
    def certificate_key(self) -> Path:
        """The API's private key (PEM)."""
        return self.path(self.console.key, "tls/api.key")

    @property
    def authority(self) -> Path:
        """The installation CA's certificate (PEM): what clients pin."""
        return self.data_dir / "tls/ca.pem"

    @property
    def run_directory(self) -> Path:
        """Where the processes write the ports they listen on."""
        return self.data_dir / "run"

    def policy_url(self) -> str:
        """Return the policy database's full URL. Raises SettingsError when its password cannot be read."""
        return self.policy_database.resolve(self.data_dir / "policy.db")

    def trace_url(self) -> str:
        """Return the trace database's full URL. Raises SettingsError when its password cannot be read."""
        return self.trace_database.resolve(self.data_dir / "traces.db")

    @property
    def pages_url(self) -> str | None:
        """Where people find the hospital's pages; None where only the start of the console will tell its port."""
        if self.console.public_url is not None:
            return self.console.public_url
        return self.console.url(*self.gateway_names) if self.console.port else None

    @property
    def evaluation_stores(self) -> bool:
        """Whether an embedded store is used, fit for evaluation and a small site only."""
        sections = (self.policy_database, self.trace_database)
        return any(section.url is None or section.url.startswith("sqlite") for section in sections)


def find(explicit: Path | None) -> Path:
    """Return the settings file: *explicit*, or $ECLUSE_CONFIG, or ./ecluse.toml, or /etc/ecluse/ecluse.toml.

    Raises SettingsError when there is none.
    """
    if explicit is not None:
        return explicit
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    for candidate in (Path(CONFIG_NAME), SYSTEM_CONFIG):
        if candidate.exists():
            return candidate
    raise SettingsError("settings.none", name=CONFIG_NAME, variable=CONFIG_VARIABLE)


def load(path: Path) -> Settings:
    """Read and check the settings in *path*, overridden by ``ECLUSE_*`` variables.

    Raises SettingsError naming each wrong key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("settings.unreadable", path=str(path), why=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("settings.not_toml", path=str(path), why=str(error)) from error
    values.setdefault("data_dir", str(path.resolve().parent))
    return build(values, str(path))


def build(values: dict[str, Any], origin: str) -> Settings:
    """Check *values* and return them as settings; *origin* is named in the errors.

    Raises SettingsError naming each wrong key.
    """
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError.together([_fault(item, origin) for item in error.errors()]) from error
    if not settings.data_dir.is_absolute():
        raise SettingsError(
            "settings.relative_data_dir", file=origin, setting="data_dir", value=str(settings.data_dir)
        )
    return settings


_FAULTS: Final = {
    "extra_forbidden": "settings.unknown_key",
    "missing": "settings.missing_key",
    "greater_than": "settings.more_than",
    "greater_than_equal": "settings.at_least",
    "less_than_equal": "settings.at_most",
    "string_pattern_mismatch": "settings.pattern",
    "database_url": "settings.database_url",
    "database_password": "settings.database_password",
    "database_kind": "settings.database_kind",
}
_KINDS: Final = (
    ("int", "settings.whole_number"),
    ("float", "settings.number"),
    ("string", "settings.text"),
    ("path", "settings.path"),
    ("tuple", "settings.list"),
    ("model", "settings.table"),
)


def _fault(item: Any, origin: str) -> SettingsError:
    """Return the sentence for one of pydantic's error details, which name a type of fault and its bounds."""
    kind = str(item["type"])
    bounds = {
        name: value for name, value in item.get("ctx", {}).items() if isinstance(value, int | float | str)
    }
    key = _FAULTS.get(kind) or next(
        (key for start, key in _KINDS if kind.startswith(start)), "settings.refused"
    )
    where = ".".join(str(part) for part in item["loc"])
    variable = "ECLUSE_" + "__".join(str(part).upper() for part in item["loc"])
    named = next((name for name in os.environ if name.upper() == variable), origin)
    return SettingsError(key, **bounds, file=named, setting=where, why=str(item["msg"]))
