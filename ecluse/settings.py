"""The installation's settings: one TOML file and ``ECLUSE_*`` variables, read once and handed over.

Each package receives its own frozen settings type; nothing below this package reads the environment.
Secrets are named by the path of a file, so that systemd credentials fit, and never written here.
"""

import os
import socket
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from ecluse.errors import SettingsError
from ecluse.operation import BackupSection, LogSection, SelfAuditSection, StartSection, TracingSection
from ecluse.sections import (
    AlarmsSection,
    CheckpointSection,
    ConsoleSection,
    DatabaseSection,
    GatewaySection,
    MailSection,
    Part,
    PolicySection,
    RecorderSection,
    RetentionSection,
    SearchSection,
    StoreSection,
    SyslogSection,
    VaultSection,
    VerificationSection,
)
from recorder.seal.places import ReaderPlaces

CONFIG_VARIABLE = "ECLUSE_CONFIG"
CONFIG_NAME = "ecluse.toml"
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - looked for, not listened on
SYSTEM_CONFIG = Path("/etc/ecluse") / CONFIG_NAME
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what it hands over to a service (LoadCredential=), seen by that service alone."""


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
    checkpoints: CheckpointSection = CheckpointSection()
    verification: VerificationSection = VerificationSection()
    store: StoreSection = StoreSection()
    search: SearchSection = SearchSection()
    vault: VaultSection = VaultSection()
    retention: RetentionSection = RetentionSection()
    mail: MailSection = MailSection()
    alarms: AlarmsSection = AlarmsSection()
    syslog: SyslogSection = SyslogSection()
    start: StartSection = StartSection()
    tracing: TracingSection = TracingSection()
    backup: BackupSection = BackupSection()
    self_audit: SelfAuditSection = SelfAuditSection()
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

    def _key(self, value: Path | None, default: str) -> Path:
        """Return the key file *value*; where none is named, the credential of *default*'s file name, else *default*."""
        handed_over = os.environ.get(CREDENTIALS_VARIABLE)
        if value is None and handed_over:
            credential = Path(handed_over) / Path(default).name
            if credential.exists():
                return credential
        return self.path(value, default)

    @property
    def keyring(self) -> Path:
        """The folder of the vault's keys."""
        return self.path(self.vault.keyring, "keys/vault")

    @property
    def host_keys(self) -> tuple[Path, ...]:
        """The gateway's SSH host key files, the preferred type first."""
        if self.gateway.host_keys:
            return tuple(self.data_dir / path for path in self.gateway.host_keys)
        return self._key(None, "keys/host_ed25519"), self._key(None, "keys/host_ecdsa")

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
        return self._key(self.gateway.host_authority, "keys/host_ca")

    @property
    def signing_key(self) -> Path:
        """The Ed25519 key that signs manifests."""
        return self._key(self.recorder.signing_key, "keys/trace-signing.pem")

    @property
    def trace_public_keys(self) -> tuple[Path, ...]:
        """The public keys of the gateways whose traces the console verifies: by default this one's and all made here."""
        if self.console.trace_public_keys:
            return tuple(self.data_dir / path for path in self.console.trace_public_keys)
        private = self.path(self.recorder.signing_key, "keys/trace-signing.pem")
        own = private.with_name(private.name + ".pub")
        return (own, *sorted(self.gateway_public_key("*").parent.glob("*.pem.pub")))

    def gateway_public_key(self, node: str) -> Path:
        """Return where the public key of a further gateway's traces is kept."""
        return self.data_dir / "keys/gateways" / f"{node}.pem.pub"

    @property
    def probe_keys(self) -> Path:
        """The folder of the public keys that sign probes' results, one a vantage."""
        return self.data_dir / "keys/probes"

    @property
    def audit_keys(self) -> Path:
        """The folder of the public keys that sign other machines' self-audits, one a machine."""
        return self.data_dir / "keys/self-audits"

    @property
    def checkpoint_key(self) -> Path:
        """The Ed25519 key that signs checkpoints."""
        return self._key(self.checkpoints.key, "keys/checkpoint-signing.pem")

    @property
    def checkpoint_public_keys(self) -> tuple[Path, ...]:
        """The public keys by which checkpoints are verified: by default that of the key in use."""
        if self.checkpoints.public_keys:
            return tuple(self.data_dir / path for path in self.checkpoints.public_keys)
        private = self.path(self.checkpoints.key, "keys/checkpoint-signing.pem")
        return (private.with_name(private.name + ".pub"),)

    @property
    def readers(self) -> Path:
        """The folder where ``init`` and ``readers new`` keep the readers' keys."""
        return self.data_dir / "keys/readers"

    @property
    def named_reader_public_keys(self) -> tuple[Path, ...]:
        """The public keys that the gateway seals traces for instead of those in `readers`."""
        return tuple(self.data_dir / path for path in self.recorder.reader_keys)

    @property
    def reader_places(self) -> ReaderPlaces:
        """Where the readers' keys are: the public ones that the gateway seals for, the private ones of the console."""
        private = tuple(self.data_dir / path for path in self.console.reader_keys)
        return ReaderPlaces(self.readers, self.named_reader_public_keys, private)

    @property
    def reader_public_keys(self) -> tuple[Path, ...]:
        """The public keys that the gateway seals traces for, as they are now."""
        return tuple(self.reader_places.active())

    @property
    def reader_keys(self) -> tuple[Path, ...]:
        """The private keys with which the console opens traces, as they are now."""
        return tuple(self.reader_places.held())

    @property
    def spool(self) -> Path:
        """Where live traces are written."""
        return self.path(self.recorder.spool, "spool")

    @property
    def trace_folder(self) -> Path:
        """Where traces are kept, where there is no bucket."""
        return self.path(self.recorder.store, "traces")

    @property
    def trace_cache(self) -> Path:
        """Where the console keeps what it reads out of a bucket, while it reads it."""
        return self.path(self.store.cache, "cache/traces")

    @property
    def store_credentials(self) -> Path:
        """What the gateway opens the bucket with."""
        return self.path(self.store.credentials, "keys/store-credentials")

    @property
    def anchor_credentials(self) -> Path:
        """What the console opens the bucket of anchors with."""
        return self.path(self.checkpoints.anchor_bucket.credentials, "keys/anchor-credentials")

    @property
    def console_store_credentials(self) -> Path:
        """What the console opens the bucket with."""
        own = self.store.console_credentials
        return self.store_credentials if own is None else self.data_dir / own

    @property
    def certificate(self) -> Path:
        """The API's certificate chain (PEM)."""
        return self.path(self.console.certificate, "tls/api.pem")

    @property
    def certificate_key(self) -> Path:
        """The API's private key (PEM)."""
        return self._key(self.console.key, "tls/api.key")

    @property
    def authority(self) -> Path:
        """The installation CA's certificate (PEM): what clients pin."""
        return self.data_dir / "tls/ca.pem"

    @property
    def search_folder(self) -> Path:
        """Where the search's indexes are: what was on screens, for the console's user alone."""
        return self.path(self.search.folder, "search")

    @property
    def backup_folder(self) -> Path:
        """Where backups are put, and never backed up themselves."""
        return self.path(self.backup.folder, "backups")

    @property
    def backup_recipients(self) -> tuple[Path, ...]:
        """The public keys that backups are sealed for; the private ones are on no machine of the installation."""
        return tuple(self.data_dir / path for path in self.backup.recipients)

    @property
    def run_directory(self) -> Path:
        """Where the processes write the ports they listen on."""
        return self.data_dir / "run"

    def policy_url(self, part: Part = Part.OWNER) -> str:
        """Return the policy database's full URL for *part*. Raises SettingsError when its password cannot be read."""
        return self.policy_database.resolve(self.data_dir / "policy.db", self._whose(part))

    def trace_url(self, part: Part = Part.OWNER) -> str:
        """Return the trace database's full URL for *part*. Raises SettingsError when its password cannot be read."""
        return self.trace_database.resolve(self.data_dir / "traces.db", self._whose(part))

    def _whose(self, part: Part) -> Part:
        """Return whom to connect as for *part*: where a gateway is alone, nobody has the owner's password."""
        return Part.GATEWAY if self.console.elsewhere and part is Part.OWNER else part

    @property
    def pages_url(self) -> str | None:
        """Where people find the hospital's pages; None where only the start of the console will tell its port."""
        if self.console.public_url is not None:
            return self.console.public_url
        return self.console.url(*self.gateway_names) if self.console.port else None

    @property
    def evaluation_stores(self) -> bool:
        """Whether an embedded store is used, fit for evaluation and a small site only."""
        return self.policy_database.embedded or self.trace_database.embedded


def find(explicit: Path | None) -> Path:
    """Return the settings file: *explicit*, or $ECLUSE_CONFIG, or ./ecluse.toml, or /etc/ecluse/ecluse.toml.

    Raises SettingsError when there is none.
    """
    if explicit is not None:
        return explicit
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    # who may not look into the folder she stands in (another user's home) has no settings there
    with suppress(PermissionError):
        if (here := Path(CONFIG_NAME)).exists():
            return here
    try:
        installed = SYSTEM_CONFIG.exists()
    except PermissionError:
        installed = True  # reading it says that she may not
    if not installed:
        raise SettingsError("settings.none", name=CONFIG_NAME, variable=CONFIG_VARIABLE)
    return SYSTEM_CONFIG


def load(path: Path) -> Settings:
    """Read and check the settings in *path*, overridden by ``ECLUSE_*`` variables.

    Raises SettingsError naming each wrong key.
    """
    values = read(path)
    values.setdefault("data_dir", str(path.resolve().parent))
    return build(values, str(path))


def read(path: Path) -> dict[str, Any]:
    """Return what the TOML file *path* holds. Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("settings.unreadable", path=str(path), why=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("settings.not_toml", path=str(path), why=str(error)) from error


def build(values: dict[str, Any], origin: str) -> Settings:
    """Check *values* and return them as settings; *origin* is named in the errors.

    Raises SettingsError naming each wrong key.
    """
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise refused(error, origin) from error
    if not settings.data_dir.is_absolute():
        raise SettingsError(
            "settings.relative_data_dir", file=origin, setting="data_dir", value=str(settings.data_dir)
        )
    return settings.model_copy(
        update={
            "policy_database": settings.policy_database.passwords_in(settings.data_dir),
            "trace_database": settings.trace_database.passwords_in(settings.data_dir),
        }
    )


def refused(error: ValidationError, origin: str) -> SettingsError:
    """Return what to raise for pydantic's *error* about settings that came from *origin*: a sentence a wrong key."""
    return SettingsError.together([_fault(item, origin) for item in error.errors()])


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
    "airlock_side": "settings.airlock_side",
    "network": "settings.network",
    "network_all": "settings.network_all",
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
