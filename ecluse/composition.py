"""Hands each package its own settings type, out of the installation's settings."""

import configparser
import ipaddress
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from admin_api.alarms.causes import MIB, Thresholds
from admin_api.settings import ApiSettings, MailSettings, MailTransport, WebhookSettings
from admin_api.syslog.senders import trust
from admin_api.syslog.settings import SyslogSettings
from ecluse.errors import SettingsError
from ecluse.host_keys import host_authority_line, host_fingerprints
from ecluse.observation.settings import ObservationSettings
from ecluse.observation.tracing import Tracing, TracingSettings
from ecluse.sections import BucketSection, ConsoleSection, Flows, GatewaySection, Part
from ecluse.settings import Settings
from gateway.settings import GatewaySettings
from policy.domain.alarms import Severity
from policy.domain.ids import HospitalId
from policy.domain.retention import Retention
from policy.domain.ways import Place
from policy.settings import PolicySettings
from policy.vault.secret import Secret
from recorder.settings import BucketSettings, RecorderSettings, StoreCredentials

_SHORTEST_SECRET = 32
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def policy_settings(settings: Settings, part: Part = Part.OWNER) -> PolicySettings:
    """Return what policy is told in *part*. Raises SettingsError when the database password cannot be read."""
    return PolicySettings(
        database_url=settings.policy_url(part),
        rehashes=part is not Part.GATEWAY,
        keyring_directory=settings.keyring,
        session_limit=settings.policy.session_limit,
        horizon=timedelta(days=settings.policy.horizon_days),
        invitation_validity=timedelta(days=settings.policy.invitation_days),
        four_eyes_period=timedelta(days=settings.policy.four_eyes_days),
        engagements=settings.policy.engagements,
        outage_grace=timedelta(seconds=settings.policy.outage_grace_seconds),
        pages_url=settings.pages_url,
        mails=settings.mail.host is not None,
        console_longest=timedelta(hours=settings.console.session_hours),
        console_idle=timedelta(minutes=settings.console.idle_minutes),
        console_fresh=timedelta(minutes=settings.console.fresh_minutes),
        alarm_mails=None if settings.alarms.mail_from == "never" else Severity(settings.alarms.mail_from),
        alarm_calls=None if settings.alarms.webhook_url is None else Severity(settings.alarms.webhook_from),
    )


def retention(settings: Settings) -> Retention:
    """Return how long rows are kept that serve nothing any more."""
    chosen = settings.retention
    return Retention(
        attempts=timedelta(days=chosen.attempts_days),
        sessions=timedelta(days=chosen.sessions_days),
        tasks=timedelta(days=chosen.tasks_days),
        outbox=timedelta(days=chosen.outbox_days),
        bearers=timedelta(days=chosen.bearers_days),
    )


def bucket_settings(settings: Settings, credentials: Path) -> BucketSettings | None:
    """Return the bucket of traces, opened with what the file *credentials* holds; None where a folder keeps them.

    Raises SettingsError where the file or the CA cannot be read, or the way to another machine is without TLS.
    """
    chosen = settings.store
    found = _bucket(settings, "store", chosen, credentials)
    return None if found is None else replace(found, cache_bytes=chosen.cache_bytes)


def anchor_bucket_settings(settings: Settings) -> BucketSettings | None:
    """Return the bucket of anchors, None where there is none. Raises SettingsError as ``bucket_settings``."""
    chosen = settings.checkpoints.anchor_bucket
    return _bucket(settings, "checkpoints.anchor_bucket", chosen, settings.anchor_credentials)


def _bucket(settings: Settings, name: str, chosen: BucketSection, credentials: Path) -> BucketSettings | None:
    if chosen.bucket is None:
        return None
    if chosen.endpoint is not None and chosen.endpoint.startswith("http://"):
        host = urlsplit(chosen.endpoint).hostname
        if host not in _THIS_MACHINE:
            raise SettingsError("settings.store_plain", setting=name, host=host)
    authority = None if chosen.ca is None else settings.data_dir / chosen.ca
    if authority is not None:
        try:
            ssl.create_default_context(cafile=str(authority))
        except OSError as error:  # an SSLError is one
            why = error.strerror or str(error)
            raise SettingsError("settings.store_ca", setting=name, path=str(authority), why=why) from error
    return BucketSettings(
        bucket=chosen.bucket,
        endpoint=chosen.endpoint,
        region=chosen.region,
        prefix=chosen.prefix,
        credentials=_credentials(name, credentials),
        authority=authority,
        lock_mode=chosen.lock_mode,
        timeout_seconds=chosen.timeout_seconds,
        cache=settings.trace_cache,
    )


def _credentials(name: str, path: Path) -> StoreCredentials:
    """Read the first profile of a file of Amazon's tools; raises SettingsError, which shows nothing of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "UTF-8"
        raise SettingsError(
            "settings.store_credentials_unreadable", setting=name, path=str(path), why=why
        ) from error
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
        profile = parser[parser.sections()[0]]
        return StoreCredentials(
            profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.get("aws_session_token")
        )
    except (configparser.Error, IndexError, KeyError):
        # the parser's own words would show the line
        raise SettingsError("settings.store_credentials_form", setting=name, path=str(path)) from None


def recorder_settings(settings: Settings, part: Part = Part.OWNER) -> RecorderSettings:
    """Return what the recorder is told in *part*; the owner of the databases has nothing to do with the bucket.

    Raises SettingsError when a password or the bucket's credentials cannot be read.
    """
    credentials = {Part.GATEWAY: settings.store_credentials, Part.CONSOLE: settings.console_store_credentials}
    bucket = bucket_settings(settings, credentials[part]) if part in credentials else None
    return RecorderSettings(
        spool=settings.spool,
        store=settings.trace_folder,
        bucket=bucket,
        retention=timedelta(days=settings.store.retention_days),
        legal_hold=settings.store.legal_hold,
        signing_key_path=settings.signing_key,
        reader_keys=settings.named_reader_public_keys,
        reader_folder=settings.readers,
        catalog_url=settings.trace_url(part),
        write_timeout_seconds=settings.recorder.write_timeout_seconds,
        min_free_bytes=settings.recorder.min_free_bytes,
        spool_quota_bytes=settings.recorder.spool_quota_bytes,
        input_limit_bytes=settings.recorder.input_limit_bytes,
    )


def gateway_settings(settings: Settings) -> GatewaySettings:
    """Return what the gateway is told."""
    chosen = settings.gateway
    authority = settings.host_authority
    return GatewaySettings(
        host_keys=settings.host_keys,
        host_authority=authority if authority.exists() else None,
        names=settings.gateway_names,
        hospital_id=HospitalId(settings.hospital_id),
        node=settings.node,
        host=chosen.host,
        port=chosen.port,
        proxy_sources=chosen.proxy_sources,
        login_grace_seconds=chosen.login_grace_seconds,
        menu_seconds=chosen.menu_seconds,
        max_unauthenticated=chosen.max_unauthenticated,
        max_unauthenticated_per_source=chosen.max_unauthenticated_per_source,
        max_channels=chosen.max_channels,
        max_inner_connections=chosen.max_inner_connections,
        flow_broker=settings.data_dir / chosen.flow_broker if chosen.flows is Flows.REQUIRED else None,
        drain_seconds=chosen.drain_seconds,
        handover_seconds=chosen.handover_seconds,
        responder_seconds=chosen.responder_seconds,
    )


def mail_settings(settings: Settings) -> MailSettings | None:
    """Return the mail server, None where there is none.

    Raises SettingsError where its password or its CA cannot be read, or the way to another machine is without TLS.
    """
    chosen = settings.mail
    if chosen.host is None:
        return None
    if chosen.transport is MailTransport.PLAIN and chosen.host not in _THIS_MACHINE:
        raise SettingsError("settings.mail_plain", host=chosen.host)
    password = None if chosen.password_file is None else _secret(settings.data_dir / chosen.password_file)
    return MailSettings(
        host=chosen.host,
        port=chosen.port,
        transport=chosen.transport,
        sender=chosen.sender,
        user=chosen.user,
        password=password,
        authority=_authority(settings, chosen.ca, "mail.ca"),
    )


def console_node(settings: Settings) -> str:
    """Return how the console calls itself in the journal."""
    return f"{settings.node}-console"


def webhook_settings(settings: Settings) -> WebhookSettings | None:
    """Return where alarms are posted, None where nowhere.

    Raises SettingsError where its secret is missing, unreadable or short, or its CA cannot be read.
    """
    chosen = settings.alarms
    if chosen.webhook_url is None:
        return None
    if chosen.webhook_secret_file is None:
        raise SettingsError("settings.webhook_unsigned")
    path = settings.data_dir / chosen.webhook_secret_file
    secret = _secret(path)
    if len(secret.reveal()) < _SHORTEST_SECRET:
        raise SettingsError("settings.webhook_short", path=str(path), least=_SHORTEST_SECRET)
    return WebhookSettings(
        url=chosen.webhook_url,
        secret=secret,
        authority=_authority(settings, chosen.webhook_ca, "alarms.webhook_ca"),
    )


def syslog_settings(settings: Settings) -> SyslogSettings | None:
    """Return the collector that the journal is sent to, None where there is none.

    Raises SettingsError where a certificate or key cannot be read, or one is named without the other.
    """
    chosen = settings.syslog
    if chosen.host is None:
        return None
    if (chosen.certificate is None) != (chosen.key is None):
        raise SettingsError("settings.syslog_half")
    certificate, key = (
        None if path is None else settings.data_dir / path for path in (chosen.certificate, chosen.key)
    )
    found = SyslogSettings(
        host=chosen.host,
        port=chosen.port,
        transport=chosen.transport,
        payload=chosen.payload,
        name=chosen.name or chosen.host,
        authority=_authority(settings, chosen.ca, "syslog.ca"),
        certificate=certificate,
        key=key,
        longest=chosen.max_bytes,
        facility=chosen.facility,
        late=timedelta(minutes=chosen.late_minutes),
        whole=chosen.whole,
    )
    try:
        trust(found)
    except OSError as error:  # an SSLError is one
        why = error.strerror or str(error)
        raise SettingsError(
            "settings.syslog_key", path=str(certificate), private_key=str(key), why=why
        ) from error
    return found


def observation_settings(settings: Settings, section: str) -> ObservationSettings | None:
    """Return where the process of *section* (``gateway``, ``console``) is watched, None where nowhere.

    Raises SettingsError where strangers could read its metrics, or the token is missing, unreadable or short.
    """
    chosen: GatewaySection | ConsoleSection = getattr(settings, section)
    if chosen.metrics_port is None:
        return None
    token = None
    if chosen.metrics_token_file is not None:
        path = settings.data_dir / chosen.metrics_token_file
        token = _secret(path)
        if len(token.reveal()) < _SHORTEST_SECRET:
            raise SettingsError(
                "settings.metrics_short", section=section, path=str(path), least=_SHORTEST_SECRET
            )
    elif not _this_machine(chosen.metrics_host):
        raise SettingsError("settings.metrics_open", section=section, host=chosen.metrics_host)
    return ObservationSettings(
        section=section, host=chosen.metrics_host, port=chosen.metrics_port, token=token
    )


def tracing_of(settings: Settings, program: str) -> Tracing | None:
    """Return what spans of *program* (``gateway``, ``console``) are told to, None where they go nowhere.

    Raises SettingsError where the way to another machine is without TLS or the CA cannot be read, StartError.
    """
    chosen = settings.tracing
    if chosen.endpoint is None:
        return None
    host = urlsplit(chosen.endpoint).hostname or ""
    if chosen.endpoint.startswith("http://") and not _this_machine(host):
        raise SettingsError("settings.tracing_plain", host=host)
    authority = _authority(settings, chosen.ca, "tracing.ca")
    return Tracing(
        TracingSettings(
            endpoint=chosen.endpoint,
            sample=chosen.sample,
            authority=authority,
            program=program,
            node=settings.node,
        )
    )


def _this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def thresholds(settings: Settings) -> Thresholds:
    """Return from how many on something is an alarm."""
    chosen = settings.alarms
    return Thresholds(
        failed_logins=chosen.failed_logins,
        unseen_lines=chosen.unseen_lines,
        session_bytes=chosen.session_mib * MIB,
        session_files=chosen.session_files,
        day_bytes=chosen.day_mib * MIB,
        day_files=chosen.day_files,
        muted=frozenset(chosen.mute),
    )


def _secret(path: Path) -> Secret:
    try:
        return Secret(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise SettingsError("settings.password_unreadable", path=str(path), why=error.strerror) from error


def _authority(settings: Settings, chosen: Path | None, setting: str) -> Path | None:
    """Return the CA's file, once it has been read; None for the system's."""
    if chosen is None:
        return None
    path = settings.data_dir / chosen
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:  # an SSLError is one
        why = error.strerror or str(error)
        raise SettingsError("settings.ca", setting=setting, path=str(path), why=why) from error
    return path


def api_settings(settings: Settings) -> ApiSettings:
    """Return what the API is told."""
    return ApiSettings(
        hospital_id=HospitalId(settings.hospital_id),
        node=console_node(settings),
        token_lifetime=timedelta(hours=settings.policy.token_hours),
        trace_public_keys=settings.trace_public_keys,
        page_hosts=(settings.console.host, *settings.gateway_names),
        mail=mail_settings(settings),
        webhook=webhook_settings(settings),
        thresholds=thresholds(settings),
        readers=settings.reader_places,
        probe_keys=settings.probe_keys,
        audit_keys=settings.audit_keys,
        store_days=settings.store.retention_days,
        gateway=Place(
            names=settings.gateway_names,
            port=settings.gateway.port,
            authority=host_authority_line(settings.host_authority),
            fingerprints=host_fingerprints(settings.host_keys),
        ),
    )
