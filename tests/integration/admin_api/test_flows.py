"""The flow matrix by the command line, and what becomes of a probe's report behind the real API."""

import csv
import io
import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from ecluse.flows.register import Register
from ecluse.flows.request import Place, Refused
from tests.support.api_house import House
from tests.support.network import refusal
from tests.support.own_machine import Desk

_REFUSAL = refusal()
CLEAN = {
    "vantage": "imagix-lyon",
    "at": "2026-11-24T02:00:00Z",
    "tried": 3,
    "answered": [],
    "refused": [],
    "missing": [],
}


@pytest.fixture(scope="module", autouse=True)
def zones(house: House) -> None:
    """A zone with a source address, its device, and a supplier whose name is a formula to a spreadsheet."""
    with house.client("dsi") as client:
        zone = client.post("/v1/zones", json={"name": "biologie", "source_address": "2001:db8:3::1"}).json()[
            "id"
        ]
        body = {"name": "ris02", "zone_id": zone, "address": "2001:DB8:3:0::10", "port": 2200}
        client.post("/v1/devices", json=body).raise_for_status()
        site = {"name": "Lyon", "country": "FR", "networks": ["198.51.100.0/28"]}
        client.post("/v1/suppliers", json={"name": "=HYPERLINK(1)", "sites": [site]}).raise_for_status()


def test_the_register_is_what_the_broker_takes(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """What --json prints opens each registered device by its very port, and nothing else; a free zone is told."""
    dsi, *_ = desks
    done = dsi.run("flows", "export", "--json")
    assert done.exit_code == 0, done.output
    path = tmp_path / "flows.json"
    path.write_text(done.stdout)
    path.chmod(0o644)
    register = Register([path])
    for place in (Place("2001:db8:3::10", 2200), Place(house.world.device.address, house.world.device.port)):
        register.check(place)
    with pytest.raises(Refused):
        register.check(Place("2001:db8:3::10", 22))
    assert "imagerie" in done.stderr, "its zone has no source address"
    assert "ris02" in dsi.run("flows", "export").stdout


def test_the_spreadsheet_holds_both_directions_and_no_formula(desks: tuple[Desk, Desk, Desk]) -> None:
    """Suppliers to the bastion, the bastion to devices, by which source; a name stays a name."""
    *_, rssi = desks
    printed = rssi.run("flows", "export", "--format", "csv").stdout
    found = {
        row["source_name"] + row["destination_name"]: row for row in csv.DictReader(io.StringIO(printed))
    }
    out, entry = found["bastionris02 (biologie)"], found["'=HYPERLINK(1) (Lyon)bastion"]
    assert (out["source"], out["destination"], out["port"]) == ("2001:db8:3::1", "2001:db8:3::10", "2200")
    assert (out["direction"], out["when"]) == ("out", "on demand")
    assert (entry["source"], entry["direction"], entry["when"]) == ("198.51.100.0/28", "in", "always")


@pytest.mark.skipif(_REFUSAL is not None, reason=str(_REFUSAL))
def test_the_firewall_s_table_loads(desks: tuple[Desk, Desk, Desk]) -> None:
    """Nft takes it; a device without a zone's source address is left out, in words."""
    dsi, *_ = desks
    printed = dsi.run("flows", "export", "--format", "nftables").stdout
    done = subprocess.run(
        ["unshare", "--net", "nft", "-e", "-f", "-"],
        input=printed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2001:db8:3::1 . 2001:db8:3::10 . 2200" in done.stdout
    assert "# left out, its zone has no source address: scan01" in printed


def raised(house: House) -> list[tuple[bool, str, str]]:
    """Have alarms raised by what the journal holds; of those of a bypass, return whether it is over, how grave, and what."""
    house.ingest_all()

    async def work() -> None:
        console = AlarmWatch(
            house.world.services,
            house.feed,
            house.world.id,
            Thresholds(),
            house.clock,
            belief=Belief(house.proofs.keys),
        )
        while await console.step():
            pass

    house.run(work())
    with house.client("rssi") as client:
        items = client.get("/v1/alarms", params={"state": "all"}).json()["items"]
    return [
        (one["over_at"] is not None, one["severity"], one["sentence"])
        for one in items
        if one["kind"] == "bypass"
    ]


def test_a_bypass_is_a_critical_alarm_until_a_probe_is_clean(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """One for each vantage; a probe whose own door did not answer, or an old one, neither raises nor ends it."""
    *_, rssi = desks
    path = tmp_path / "probe.json"

    now = house.clock.now()

    def report(**changed: object) -> dict[str, object]:
        path.write_text(json.dumps({**CLEAN, "at": now.isoformat(), **changed}))
        return dict(rssi.json("flows", "report", str(path)))

    assert report()["proved"] is True
    assert raised(house) == []
    assert report(answered=["10.20.4.7:22"])["bypass"] is True
    [(over, severity, sentence)] = raised(house)
    assert (over, severity) == (False, "critical")
    assert "10.20.4.7:22" in sentence
    assert "imagix-lyon" in sentence
    assert report(missing=["192.0.2.10:22"])["proved"] is False
    assert report(vantage="zone-a")["proved"] is True
    assert report(at=(now - timedelta(days=4)).isoformat())["proved"] is False
    assert raised(house) == [(False, severity, sentence)]
    report()
    assert raised(house) == [(True, severity, sentence)]


def test_a_report_that_is_none_is_refused_by_its_field(
    desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Neither a screen's control characters nor an open end come into the journal by it; a planner reports nothing."""
    dsi, _denis, rssi = desks
    path = tmp_path / "probe.json"
    for changed in (
        {"answered": ["\x1b[2J"]},
        {"vantage": "a b"},
        {"tried": 0},
        {"at": "yesterday"},
        {"more": 1},
    ):
        path.write_text(json.dumps({**CLEAN, **changed}))
        done = rssi.run("flows", "report", str(path))
        assert done.exit_code == 1
        assert next(iter(changed)) in done.stderr
    assert (
        dsi.run("flows", "probe", "--matrix", str(path), "--vantage", "x", "--expect", "192.0.2.1").exit_code
        == 2
    )
    done = dsi.run("flows", "probe", "--matrix", str(path), "--vantage", "x", "--expect", "192.0.2.1:22")
    assert done.exit_code == 1
    assert str(path) in done.stderr
