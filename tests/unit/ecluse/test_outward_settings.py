"""Webhook, collector and thresholds in the settings: what is handed over, and what is refused before anything starts."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admin_api.syslog.settings import SyslogTransport
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.composition import (
    policy_settings,
    syslog_settings,
    thresholds,
    tracing_of,
    webhook_settings,
)
from ecluse.errors import SettingsError
from ecluse.private_files import console_secrets
from ecluse.settings import Settings, build
from policy.domain.alarms import Severity

BASE = {"hospital_id": "0" * 32}
URL = "https://supervision.example/ecluse"


def settings(directory: Path, **sections: object) -> Settings:
    """Return settings of an installation in *directory* with these sections."""
    return build({**BASE, "data_dir": str(directory), **sections}, "ecluse.toml")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, a certificate and its key, another key, and secrets."""
    folder = tmp_path_factory.mktemp("files")
    make_authority(folder, "CA", datetime.now(UTC))
    make_server_certificate(folder, ["other.example"], datetime.now(UTC))
    shutil.move(folder / "api.key", folder / "other.key")
    make_server_certificate(folder, ["console.example"], datetime.now(UTC))
    (folder / "secret").write_text("x" * 32 + "\n")
    (folder / "short").write_text("x" * 31)
    return folder


def test_without_sections_nothing_leaves(files: Path) -> None:
    """An installation that names neither posts nothing, sends nothing, and mails from severity high on."""
    plain = settings(files)
    assert (webhook_settings(plain), syslog_settings(plain)) == (None, None)
    told = policy_settings(plain)
    assert (told.alarm_mails, told.alarm_calls) == (Severity.HIGH, None)


def test_what_is_set_is_handed_over(files: Path) -> None:
    """The webhook's secret never shows, private files are known as such, thresholds are in bytes."""
    alarms = {
        "webhook_url": URL,
        "webhook_secret_file": "secret",
        "webhook_from": "high",
        "mail_from": "never",
        "session_mib": 3,
        "mute": ["lockout"],
    }
    syslog = {
        "host": "10.0.0.9",
        "name": "siem.example",
        "ca": "ca.pem",
        "certificate": "api.pem",
        "key": "api.key",
        "transport": "tls",
        "late_minutes": 5,
    }
    chosen = settings(files, alarms=alarms, syslog=syslog)
    webhook, collector = webhook_settings(chosen), syslog_settings(chosen)
    assert webhook is not None
    assert webhook.secret.reveal() == "x" * 32
    assert "x" * 32 not in repr(webhook)
    assert collector is not None
    assert (collector.name, collector.transport, collector.late) == (
        "siem.example",
        SyslogTransport.TLS,
        timedelta(minutes=5),
    )
    assert {files / "secret", files / "api.key"} <= set(console_secrets(chosen))
    assert thresholds(chosen).session_bytes == 3 << 20
    assert thresholds(chosen).muted == {"lockout"}
    told = policy_settings(chosen)
    assert (told.alarm_mails, told.alarm_calls) == (None, Severity.HIGH)


@pytest.mark.parametrize(
    ("alarms", "key"),
    [
        ({"webhook_url": URL}, "settings.webhook_unsigned"),
        ({"webhook_url": URL, "webhook_secret_file": "short"}, "settings.webhook_short"),
        ({"webhook_url": URL, "webhook_secret_file": "missing"}, "settings.password_unreadable"),
        ({"webhook_url": URL, "webhook_secret_file": "secret", "webhook_ca": "secret"}, "settings.ca"),
    ],
)
def test_a_webhook_that_nobody_could_verify_is_refused_at_start(
    files: Path, alarms: dict[str, object], key: str
) -> None:
    """No secret, one that is short or missing, a CA that is none."""
    with pytest.raises(SettingsError) as refused:
        webhook_settings(settings(files, alarms=alarms))
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("syslog", "key"),
    [
        ({"certificate": "api.pem"}, "settings.syslog_half"),
        ({"key": "api.key"}, "settings.syslog_half"),
        ({"certificate": "api.pem", "key": "other.key"}, "settings.syslog_key"),
        ({"certificate": "api.pem", "key": "missing"}, "settings.syslog_key"),
        ({"ca": "missing"}, "settings.ca"),
    ],
)
def test_a_collector_s_files_are_tried_before_anything_starts(
    files: Path, syslog: dict[str, object], key: str
) -> None:
    """A certificate without its key, another's key, files that are not there."""
    with pytest.raises(SettingsError) as refused:
        syslog_settings(settings(files, syslog={"host": "siem.example", **syslog}))
    assert refused.value.key == key


@pytest.mark.parametrize(
    "sections",
    [
        {"alarms": {"webhook_url": "http://supervision.example/"}},
        {"alarms": {"webhook_url": "https://user@supervision.example/"}},
        {"alarms": {"mute": ["host_key_changed"]}},
        {"alarms": {"failed_logins": 4}},
        {"alarms": {"clock_seconds": 61}},
        {"syslog": {"host": "h", "max_bytes": 1024}},
        {"syslog": {"host": "h", "transport": "udp"}},
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_key(files: Path, sections: dict[str, object]) -> None:
    """No alarm in the clear, nothing critical muted, no threshold beyond its bounds, no UDP."""
    with pytest.raises(SettingsError):
        settings(files, **sections)


def test_spans_go_nowhere_unless_told_and_to_nobody_in_the_clear(files: Path) -> None:
    """Unset, nothing is loaded; another machine is reached by TLS alone, and a CA that is not there is named."""
    assert tracing_of(settings(files), "gateway") is None
    for told, key in (
        ({"endpoint": "http://collector.example:4318"}, "settings.tracing_plain"),
        ({"endpoint": "https://collector.example:4318", "ca": "not-there.pem"}, "settings.ca"),
    ):
        with pytest.raises(SettingsError) as refused:
            tracing_of(settings(files, tracing=told), "gateway")
        assert refused.value.key == key
    for wrong in (
        {"endpoint": "collector:4318"},
        {"endpoint": "https://c.example/v1/traces"},
        {"sample": 1.5},
    ):
        with pytest.raises(SettingsError):
            settings(files, tracing=wrong)
    here = tracing_of(settings(files, tracing={"endpoint": "http://127.0.0.1:4318"}), "gateway")
    assert here is not None
    here.close()
