"""``ecluse doctor`` and where traces are kept: each symptom is provoked on a real server."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recorder.settings import StoreCredentials
from tests.support import s3
from tests.support.installed import doctor

pytestmark = pytest.mark.integration


def findings(config: Path) -> list[tuple[str, str]]:
    """What the doctor finds of the trace store, and how bad it is."""
    found = [one for one in doctor(config).values() if one["check"] == "doctor.trace_store"]
    assert "hush" not in str(found)
    return [(one["finding"].removeprefix("doctor.trace_store."), one["level"]) for one in found]


def in_a_bucket(config: Path, gateway: StoreCredentials, console: StoreCredentials, **more: str) -> None:
    """Let the installation keep its traces in the tests' bucket, opened with these credentials."""
    for name, made in (("gateway", gateway), ("console", console)):
        path = config.parent / f"keys/store-{name}"
        path.write_text(
            f"[default]\naws_access_key_id = {made.access_key}\naws_secret_access_key = {made.secret_key}\n"
        )
        path.chmod(0o600)
    values = {
        "bucket": s3.BUCKET,
        "endpoint": s3.own().endpoint,
        "credentials": "keys/store-gateway",
        "console_credentials": "keys/store-console",
        **more,
    }
    lines = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    config.write_text(f"{config.read_text()}\n[store]\n{lines}")


def test_a_folder_of_traces_is_called_what_it_is(config: Path) -> None:
    """Whoever administers the machine can delete in it."""
    assert findings(config) == [("folder", "notice")]


def test_a_bucket_that_serves_both_sides_is_well_and_what_is_ill_is_named(config: Path) -> None:
    """Credentials, bucket, address and files: what is wrong is told apart, and no secret is shown."""
    server = s3.own()
    gateway, console, owner = server.gateway, server.console, server.owner
    fresh = config.read_text()
    ills: list[tuple[str, StoreCredentials, StoreCredentials, dict[str, str]]] = [
        ("shared", owner, owner, {}),
        ("forbidden", replace(gateway, secret_key="hush-hush"), console, {}),
        ("forbidden", console, gateway, {}),
        ("unfit", owner, owner, {"bucket": "there-is-none"}),
        ("unreachable", gateway, console, {"endpoint": "http://127.0.0.1:1"}),
        ("settings", gateway, console, {"endpoint": "http://store.hospital.example"}),
        ("settings", gateway, console, {"credentials": "keys/trace-signing.pem.pub"}),
    ]
    in_a_bucket(config, gateway, console)
    # this server knows no conditions in policies, and so accepts what the bucket's own policy is there to refuse
    free = ("unbounded", "notice")
    assert findings(config) == [("good", "good"), ("console", "good"), free, ("no_lifecycle", "notice")]
    rules = json.loads((s3.POLICIES / "lifecycle.json").read_text())
    server.lifecycle(rules)
    assert findings(config)[3:] == [("lifecycle", "good")]
    rules["Rules"].append(
        {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 200}}
    )
    server.lifecycle(rules)
    assert findings(config)[3:] == [("expires", "failed")]
    server.lifecycle(None)
    for expected, one, other, more in ills:
        config.write_text(fresh)
        in_a_bucket(config, one, other, **more)
        assert expected in [finding for finding, _ in findings(config)[:2]]
