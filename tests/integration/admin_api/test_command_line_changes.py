"""The command line against the real API: what staff change, end and prove after the first day."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.policy_world import host_key_line


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("audit", "list", "--from", "hier"), "--from"),
        (("traces", "list", "--to", "2026-13-01"), "--to"),
        (("windows", "list", "--from", "25:00"), "--from"),
        (("why", "alice", "scan01", "--at", "now"), "--at"),
        (("devices", "update", "scan01"), "--address"),
        (("devices", "update", "scan01", "--legacy", "rsa"), "--legacy"),
        (("devices", "update", "scan01", "--group", "a", "--no-group"), "--no-group"),
        (("devices", "update", "scan01", "--port", "0"), "--port"),
        (("sessions", "cut", "--reason", "Doute"), "--supplier"),
        (("people", "invite", "chloe9"), "--name"),
        (("interventions", "add", "--supplier", "Imagix", "--purpose", "x", "--kind", "y"), "--kind"),
        (("traces", "list", "--limit", "0"), "--limit"),
    ],
)
def test_bad_input_names_its_option(
    desks: tuple[Desk, Desk, Desk], arguments: tuple[str, ...], option: str
) -> None:
    """What cannot be meant is exit code 2 and names the option, before anything is asked for."""
    _, _, rssi = desks
    done = rssi.run(*arguments)
    assert done.exit_code == 2
    assert option in done.stderr


def test_a_device_is_moved_and_its_account_stopped(desks: tuple[Desk, Desk, Desk], tmp_path: Path) -> None:
    """``devices update`` says that keys were forgotten; ``accounts suspend`` and ``resume`` turn one account."""
    dsi, _, rssi = desks
    dsi.run("zones", "add", "bloc")
    dsi.json("devices", "add", "irm11", "--zone", "bloc", "--address", "192.0.2.30")
    dsi.run("hostkeys", "pin", "irm11", host_key_line())
    fingerprint = dsi.run("hostkeys", "list", "irm11").output
    assert "SHA256:" in fingerprint
    assert dsi.run("devices", "update", "irm11", "--group", "irm").exit_code == 0
    moved = dsi.run("devices", "update", "irm11", "--address", "192.0.2.31", "--legacy", "mac=hmac-sha1")
    assert (moved.exit_code, "hostkeys fetch irm11" in moved.output) == (0, True)
    shown = dsi.json("devices", "show", "irm11")
    assert (shown["address"], shown["groups"], shown["host_keys"]) == ("192.0.2.31", ["irm"], [])
    assert shown["algorithms"]["mac"] == ["hmac-sha1"]
    assert dsi.run("devices", "update", "irm11", "--no-legacy", "--no-group").exit_code == 0
    assert dsi.json("devices", "show", "irm11")["algorithms"]["mac"] == []
    secret = tmp_path / "secret.txt"
    secret.write_text("Un-autre-secret-d-ici\n")
    dsi.run("accounts", "add", "irm11", "maint", "--password-file", str(secret))
    why = ("--reason", "Doute")
    assert rssi.json("accounts", "suspend", "irm11", "maint", *why)["active"] is False
    assert rssi.run("accounts", "suspend", "irm11", "autre", *why).exit_code == 1
    assert rssi.json("accounts", "resume", "irm11", "maint", *why)["active"] is True
    assert rssi.run("devices", "update", "irm11", "--port", "23").exit_code == 1


def test_an_intervention_goes_its_way_by_its_first_digits(desks: tuple[Desk, Desk, Desk]) -> None:
    """Opened, closed, and then refused whatever else is asked of it, with the reason why."""
    dsi, _, rssi = desks
    made = dsi.json("interventions", "add", "--supplier", "Imagix", "--purpose", "Essai")
    digits, why = made["id"][:10], ("--reason", "Fait")
    assert "requested" in dsi.run("interventions", "list").output
    assert rssi.run("interventions", "close", digits, *why).exit_code == 1
    assert dsi.run("interventions", "hold", digits, *why).exit_code == 1
    assert dsi.json("interventions", "close", digits, *why)["state"] == "closed"
    again = dsi.run("interventions", "cancel", digits, *why)
    assert (again.exit_code, "closed" in again.output) == (1, True)


def test_a_lost_token_is_ended_without_holding_it(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Security lists a person's tokens and revokes one by its first digits: with it nothing goes any more."""
    _, _, rssi = desks
    house.clock.advance(timedelta(seconds=1))
    lost = Desk(house, tmp_path, "denis")
    newest = rssi.json("tokens", "list", "--person", "denis")[0]
    assert newest["id"][:8] in rssi.run("tokens", "list").output
    assert rssi.run("tokens", "revoke", newest["id"][:12]).exit_code == 0
    assert lost.run("whoami").exit_code == 1
    assert newest["id"] not in [item["id"] for item in rssi.json("tokens", "list")]
    assert newest["id"] in [item["id"] for item in rssi.json("tokens", "list", "--all")]
    assert rssi.run("tokens", "revoke", "zz").exit_code == 1


def test_who_lost_her_telephone_is_renewed(desks: tuple[Desk, Desk, Desk]) -> None:
    """``people renew`` prints a new invitation; until it is finished ``people show`` says that she is not enrolled."""
    dsi, _, rssi = desks
    made = dsi.json(
        "people", "invite", "dora", "--supplier", "Imagix", "--name", "Dora", "--email", "d@imagix.example"
    )
    assert dsi.json("people", "show", "dora")["enrolled"] is False
    renewed = dsi.json("people", "renew", "dora", "--reason", "Téléphone perdu")
    assert renewed["invitation"]["token"] != made["invitation"]["token"]
    assert rssi.run("people", "renew", "dora", "--reason", "Téléphone perdu").exit_code == 1


def test_the_journal_reads_from_top_to_bottom(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """One line an entry, the newest last, on the hospital's clock; ``--details`` puts the rest below."""
    dsi, _, rssi = desks
    for name in ("premier", "second"):
        dsi.run("zones", "add", name)
    house.ingest_all()
    lines = rssi.run("audit", "list", "--name", "zone.created").stdout.splitlines()
    places = [next(n for n, line in enumerate(lines) if name in line) for name in ("premier", "second")]
    assert places[1] == places[0] + 1
    assert re.match(r"2026-11-23 20:\d\d  zone declared +dsi", lines[places[0]])
    whole = rssi.run("audit", "list", "--name", "zone.created", "--details", "--limit", "1").stdout
    assert "zone.created" in whole
    assert "    after · name: second" in whole
    assert "premier" not in whole


def test_a_proof_kept_elsewhere_is_held_against_the_journal(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """``audit verify --known`` holds by a proof of before, fails by heads that are not there, and refuses junk."""
    dsi, _, rssi = desks
    dsi.run("zones", "add", "preuve")
    house.ingest_all()
    kept = tmp_path / "proof.json"
    proof = rssi.json("audit", "verify")
    kept.write_text(json.dumps(proof))
    dsi.run("zones", "add", "apres")
    house.ingest_all()
    assert rssi.run("audit", "verify", "--known", str(kept)).exit_code == 0
    proof["heads"][0]["seq"] += 1000
    kept.write_text(json.dumps(proof))
    assert rssi.run("audit", "verify", "--known", str(kept)).exit_code == 1
    for junk in ("", "[]", '{"heads": 3}', "<110>1 - - - - - nothing of ours\n"):
        kept.write_text(junk)
        refused = rssi.run("audit", "verify", "--known", str(kept))
        assert (refused.exit_code, str(kept) in refused.output.replace("\n", "")) == (1, True)


def test_what_a_collector_has_is_held_against_the_journal(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """The newest entries are missed although no checkpoint knew them, also where others bear their numbers since."""
    rssi, kept = desks[2], tmp_path / "journal-2026-11-29.log"
    house.ingest_all()
    head = rssi.json("audit", "verify")["heads"][0]
    chain, last = head["writer"], head["seq"]

    def line(seq: int, digest: str, hospital: str = house.world.id) -> str:
        data = f'event_id="e" hospital="{hospital}" writer="{chain}" seq="{seq}" digest="{digest}"'
        return f"<110>1 2026-11-29T10:00:00Z gw ecluse - access.denied [ecluse@32473 {data}] {{}}\n"

    there, taken_away = line(last, head["digest"]), line(last + 9, "a" * 64)
    for lines, status in (
        ([there, line(last + 9, "a" * 64, "another")], 0),
        ([there, line(last + 9, "a" * 64).replace(" writer=", " other=")], 0),
        ([there, taken_away], 1),
        ([taken_away, there], 1),
        ([line(last, "b" * 64), there], 1),
    ):
        kept.write_text("".join(lines))
        assert rssi.run("audit", "verify", "--known", str(kept)).exit_code == status
