"""The command line against the real API: the table of factors, levels, and whom is believed about certificates."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.pki import Authority, curve_key
from tests.support.policy_world import host_key_line
from tests.support.ssh_authority import SshAuthority


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("password=standard", "two are the least"),
        ("public-key=standard", "two are the least"),
        ("security-key=high", "two are the least"),
        ("password+totp=high", "can be copied"),
        ("totp=standard", "name exactly one"),
        ("password", "--row"),
        ("password+totp=", "--row"),
    ],
)
def test_one_factor_is_never_let_into_the_table(desks: tuple[Desk, Desk, Desk], row: str, told: str) -> None:
    """Whatever an administrator types, the table stays within its bounds, and he reads the way out."""
    dsi, _, _ = desks
    before = dsi.json("factors", "list")
    done = dsi.run("factors", "set", "--row", row)
    assert done.exit_code in {1, 2}
    assert told in done.output + done.stderr
    assert dsi.json("factors", "list") == before


def test_the_table_is_read_by_staff_and_changed_by_administrators(desks: tuple[Desk, Desk, Desk]) -> None:
    """Shown in words and as it is written; replaced whole; refused to the security referent."""
    dsi, _, rssi = desks
    shown = rssi.run("factors", "list")
    assert "security-key-verified" in shown.output
    rows = ("--row", "token-certificate=high", "--row", "password+totp=standard")
    assert rssi.run("factors", "set", *rows).exit_code == 1
    changed = dsi.json("factors", "set", *rows)
    assert changed == {
        "rows": [
            {"factors": ["password", "totp"], "level": "standard"},
            {"factors": ["token-certificate"], "level": "high"},
        ]
    }
    assert rssi.json("factors", "list") == changed


def test_devices_and_windows_say_which_level_they_take(desks: tuple[Desk, Desk, Desk]) -> None:
    """--level is kept and shown; an unknown one is refused."""
    dsi, _, _ = desks
    dsi.run("zones", "add", "labo")
    made = dsi.json(
        "devices", "add", "auto21", "--zone", "labo", "--address", "192.0.2.40", "--level", "high"
    )
    assert made["level"] == "high"
    assert dsi.json("devices", "update", "auto21", "--level", "standard")["level"] == "standard"
    assert dsi.run("devices", "update", "auto21", "--level", "utmost").exit_code == 1
    planned = dsi.json(
        *("windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "auto21"),
        *(
            "--start",
            "2026-11-24 20:00",
            "--end",
            "22:00",
            "--channel",
            "shell",
            "--purpose",
            "Essai",
            "--level",
            "high",
        ),
    )
    assert planned["window"]["level"] == "high"


def test_an_anchor_is_added_fed_and_taken_away(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """An authority's certificate, a token's, a revocation list; a stranger's is refused with the way out."""
    dsi, _, rssi = desks
    now = house.clock.now()
    root, stranger = Authority("IGC Essai", now), Authority("Autre", now)
    anchor, card, list_ = tmp_path / "igc.pem", tmp_path / "card.pem", tmp_path / "list.crl"
    anchor.write_text(root.pem)
    added = ("anchors", "add", "IGC Essai", str(anchor), "--supplier", "Imagix")
    assert dsi.run(*added, "--crl", "ftp://pki.example/x").exit_code == 1
    assert rssi.run(*added).exit_code == 1
    assert dsi.json(*added, "--crl", "http://127.0.0.1:9/x.crl")["when_stale"] == "refuse"
    card.write_text(stranger.certify(curve_key().public_key(), now).pem)
    refused = dsi.run("people", "certificates", "add", "alice", str(card))
    assert (refused.exit_code, "ecluse anchors add" in refused.output + refused.stderr) == (1, True)
    certified = root.certify(curve_key().public_key(), now)
    card.write_text(certified.pem)
    made = dsi.json("people", "certificates", "add", "alice", str(card))
    held = dsi.json("people", "certificates", "list", "alice")
    assert [item["key_fingerprint"] for item in held] == [made["key_fingerprint"]]
    list_.write_bytes(root.revoke(now + timedelta(minutes=1)))
    assert "good until" in rssi.run("anchors", "bring-list", "IGC Essai", str(list_)).output
    assert rssi.run("anchors", "bring-list", "IGC Essai", str(card)).exit_code == 1
    assert dsi.json("anchors", "update", "IGC Essai", "--when-stale", "accept")["when_stale"] == "accept"
    (shown,) = rssi.json("anchors", "list")
    assert (shown["name"], len(shown["lists"])) == ("IGC Essai", 1)
    assert dsi.run("people", "keys", "remove", "alice", made["key_fingerprint"]).exit_code == 0
    assert dsi.json("people", "certificates", "list", "alice") == []
    assert dsi.run("anchors", "remove", "IGC Essai", "--reason", "Essai fini").exit_code == 0
    assert dsi.run("anchors", "remove", "IGC Essai", "--reason", "Encore").exit_code == 1


async def test_an_ssh_authority_is_added_and_its_revocations_taken(
    desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Its plain key, OpenSSH's KRL, and nothing that is neither."""
    dsi, _, rssi = desks
    authority = await SshAuthority.make(tmp_path / "ca")
    krl = tmp_path / "revoked.krl"
    await authority.revoke(krl, "serial: 7")
    public = str(authority.path.with_suffix(".pub"))
    assert dsi.json("login-ca", "add", "CA Essai", public)["krl_at"] is None
    assert dsi.run("login-ca", "add", "CA Essai", public).exit_code == 1
    assert rssi.run("login-ca", "krl", "CA Essai", public).exit_code == 1
    assert rssi.json("login-ca", "krl", "CA Essai", str(krl))["krl_at"] is not None
    assert "CA Essai" in rssi.run("login-ca", "list").output
    assert dsi.run("login-ca", "remove", "CA Essai", "--reason", "Essai fini").exit_code == 0
    weak = tmp_path / "weak.pub"
    weak.write_text(host_key_line().replace("ssh-ed25519", "ssh-dss", 1))
    assert dsi.run("login-ca", "add", "CA faible", str(weak)).exit_code == 1
