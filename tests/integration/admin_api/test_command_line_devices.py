"""The command line against the real API: the authority that devices trust, derogations, and keys pinned unseen."""

from datetime import timedelta

import pytest

from policy.authn import ssh_keys
from policy.domain.devices import KNOWN
from policy.domain.tasks import TaskGrant, TaskKind, TaskResult
from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.policy_world import host_key_line

Desks = tuple[Desk, Desk, Desk]


def test_the_authority_from_none_to_the_next_one(desks: Desks) -> None:
    """``accounts ca`` says what to run; made, printed to be copied, joined by the next, switched."""
    dsi, _, rssi = desks
    dsi.run("zones", "add", "autorite")
    dsi.run("devices", "add", "irm41", "--zone", "autorite", "--address", "192.0.2.60")
    early = dsi.run("accounts", "add", "irm41", "maint", "--certificate")
    none = dsi.run("accounts", "ca")
    for done in (early, none):
        assert (done.exit_code, "ecluse accounts ca-make" in done.stderr) == (1, True), done.stderr
    assert rssi.run("accounts", "ca-make").exit_code == 1
    made = dsi.json("accounts", "ca-make")
    assert made["state"] == "signing"
    added = dsi.run("accounts", "add", "irm41", "maint", "--certificate")
    assert (added.exit_code, "maint@irm41" in added.stdout) == (0, True), added.output
    shown = dsi.run("accounts", "ca")
    assert shown.stdout.splitlines()[0].startswith(made["public_key"])
    assert "AuthorizedPrincipalsFile" in shown.stderr
    assert dsi.run("accounts", "ca-switch").exit_code == 1
    coming = dsi.json("accounts", "ca-make")
    assert coming["state"] == "coming"
    assert len(dsi.run("accounts", "ca").stdout.splitlines()) == 2
    assert dsi.run("accounts", "ca-switch").exit_code == 0
    lines = dsi.run("accounts", "ca").stdout.splitlines()
    assert [line.startswith(coming["public_key"]) for line in lines] == [True]


def test_old_devices_are_answered_for_and_listed(house: House, desks: Desks) -> None:
    """``devices add --legacy`` says what comes next; ``derogate``, ``derogations`` and ``derogation-end`` do it."""
    dsi, denis, rssi = desks
    dsi.run("zones", "add", "vieux")
    added = dsi.run(
        "devices", "add", "irm51", "--zone", "vieux", "--address", "192.0.2.70",
        "--legacy", "kex=diffie-hellman-group1-sha1", "--legacy", "quirks=no-ignore",
    )  # fmt: skip
    assert "ecluse devices derogate irm51" in added.stderr
    until = (house.clock.now() + timedelta(days=20)).date().isoformat()
    why = ("--until", until, "--reason", "Remplacé en juin")
    made = rssi.json("devices", "derogate", "irm51", *why)
    assert [item["weakness"] for item in made] == ["kex=diffie-hellman-group1-sha1", "quirk=no-ignore"]
    listed = denis.run("devices", "derogations", "--device", "irm51")
    assert "diffie-hellman-group1-sha1" in listed.stdout
    assert "rssi" in listed.stdout
    assert {item["state"] for item in denis.json("devices", "derogations")} == {"ending"}
    ended = rssi.run("devices", "derogation-end", made[0]["id"][:12], "--reason", "Mis à jour")
    assert ended.exit_code == 0, ended.output
    states = {item["weakness"]: item["state"] for item in denis.json("devices", "derogations")}
    assert states == {"kex=diffie-hellman-group1-sha1": "withdrawn", "quirk=no-ignore": "ending"}
    assert rssi.run("devices", "derogate", "irm51", "--only", "mac=hmac-md5", *why).exit_code == 1


@pytest.mark.parametrize("kind", ["kex", "host_key", "encryption", "mac"])
def test_an_algorithm_that_there_is_not_is_refused(desks: Desks, kind: str) -> None:
    """A name that no gateway can speak is refused with the field and the names that may be written."""
    dsi, _, _ = desks
    refused = dsi.run("devices", "update", "scan01", "--legacy", f"{kind}=foo")
    assert refused.exit_code == 1
    assert f"algorithms.{kind}" in refused.stderr
    assert KNOWN[kind][-1] in refused.stderr
    assert dsi.json("devices", "show", "scan01")["algorithms"][kind] == []


@pytest.mark.parametrize("quirk", ["no-ignored", ""])
def test_a_quirk_that_there_is_not_is_refused(desks: Desks, quirk: str) -> None:
    """What is no quirk is refused with the ones there are."""
    dsi, _, _ = desks
    assert dsi.run("devices", "update", "scan01", "--legacy", f"quirks={quirk}").exit_code != 0


def test_a_key_that_the_last_fetch_did_not_show_is_pinned_with_a_warning(house: House, desks: Desks) -> None:
    """Pinned whole, as it was compared elsewhere; but the screen says that the device showed another."""
    dsi, _, _ = desks
    dsi.run("zones", "add", "ecart")
    dsi.run("devices", "add", "irm61", "--zone", "ecart", "--address", "192.0.2.80")
    world, shown, other = house.world, host_key_line(), host_key_line()

    async def fetch() -> None:
        tasks = world.services.device_tasks
        found = await world.services.devices.list(world.who("dsi"), world.id)
        wanted = next(one for one in found if one.name == "irm61")
        await tasks.request(world.who("dsi"), world.id, TaskKind.FETCH_HOST_KEYS, wanted.id)
        grant = await tasks.claim(world.id, "node1")
        assert isinstance(grant, TaskGrant)
        await tasks.finish(grant, TaskResult(ok=True, host_keys=(shown,)))

    house.run(fetch())
    quiet = dsi.run("hostkeys", "pin", "irm61", shown)
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    warned = dsi.run("hostkeys", "pin", "irm61", other)
    assert warned.exit_code == 0
    assert ssh_keys.parse(shown).fingerprint in warned.stderr
    listed = dsi.run("hostkeys", "list", "irm61").stdout.splitlines()
    seen = {
        line: next(row for row in listed if ssh_keys.parse(line).fingerprint in row)
        for line in (shown, other)
    }
    assert seen[shown].split()[-1] != seen[other].split()[-1]


def test_continuations_are_off_until_an_administrator_allows_them(desks: Desks) -> None:
    """The hospital's own page shows the rule; it has bounds, and only an administrator changes it."""
    dsi, _, rssi = desks
    assert dsi.json("hospitals", "list")[0]["continuation"] == {"seconds": 0, "connections": 0}
    allowed = ("hospitals", "continuation", "--seconds", "60", "--connections", "4")
    assert rssi.run(*allowed).exit_code == 1
    assert dsi.run(*allowed).exit_code == 0
    assert dsi.json("hospitals", "list")[0]["continuation"] == {"seconds": 60, "connections": 4}
    assert dsi.run("hospitals", "continuation", "--seconds", "121", "--connections", "4").exit_code == 2
    assert dsi.run("hospitals", "continuation", "--seconds", "60", "--connections", "0").exit_code == 1
    assert dsi.run("hospitals", "continuation", "--seconds", "0", "--connections", "0").exit_code == 0
