"""The flow matrix by the command line, and what becomes of a probe's report behind the real API."""

import csv
import io
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admin_api import probes
from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from admin_api.probes import PROBED
from admin_api.registered_keys import RegisteredKeys
from ecluse.flows.register import Register
from ecluse.flows.request import Place, Refused
from recorder.audit.events import SecurityEvent
from recorder.trace import instants
from tests.support.api_house import House
from tests.support.network import refusal
from tests.support.own_machine import Desk
from tests.support.probes import Prober

_REFUSAL = refusal()


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
            belief=Belief(house.context.auditors, RegisteredKeys(house.directory / "probes")),
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


@pytest.fixture
def lyon(house: House, tmp_path: Path) -> Prober:
    """A machine that probes, whose key is registered; each test begins an hour after the one before."""
    house.clock.advance(timedelta(hours=1))
    return Prober(tmp_path, "imagix-lyon", house.world.id).registered(house.directory / "probes")


def test_a_bypass_is_a_critical_alarm_until_a_probe_is_clean(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, lyon: Prober
) -> None:
    """One for each vantage; a probe whose own door did not answer, or an old one, neither raises nor ends it."""
    *_, rssi = desks
    path = tmp_path / "probe.json"
    zone = Prober(tmp_path, "zone-a", house.world.id).registered(house.directory / "probes")

    def report(prober: Prober = lyon, **changed: object) -> dict[str, object]:
        house.clock.advance(timedelta(minutes=1))
        path.write_text(json.dumps(prober.result(house.clock.now(), **changed)))
        return dict(rssi.json("flows", "report", str(path)))

    assert report()["proved"] is True
    assert raised(house) == []
    assert report(answered=["10.20.4.7:22"])["bypass"] is True
    [(over, severity, sentence)] = raised(house)
    assert (over, severity) == (False, "critical")
    assert "10.20.4.7:22" in sentence
    assert "imagix-lyon" in sentence
    assert report(missing=["192.0.2.10:22"])["proved"] is False
    assert report(zone)["proved"] is True
    assert raised(house) == [(False, severity, sentence)]
    assert report()["proved"] is True
    assert raised(house) == [(True, severity, sentence)]


@pytest.mark.parametrize(
    ("forgery", "field"),
    [
        ("unsigned", "signature"),
        ("touched", "signature"),
        ("strange", "signature"),
        ("foreign", "signature"),
        ("unregistered", "vantage"),
        ("elsewhere", "hospital_id"),
        ("ahead", "at"),
        ("replayed", "at"),
        ("older", "at"),
        ("first", "version"),
    ],
)
def test_a_clean_result_that_is_not_to_be_believed_is_refused(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, lyon: Prober, forgery: str, field: str
) -> None:
    """Whatever is wrong is named by its field, nothing of it comes into the journal, and the alarm stands."""
    *_, rssi = desks
    path, now = tmp_path / "probe.json", house.clock.now()
    earlier = lyon.result(now - timedelta(minutes=2))
    found = lyon.result(now, answered=["10.20.4.7:22"])
    for result in (earlier, found):
        path.write_text(json.dumps(result))
        rssi.json("flows", "report", str(path))
    before = raised(house)
    assert not all(over for over, *_ in before)
    house.clock.advance(timedelta(minutes=3))
    at = house.clock.now()
    strange = Prober(tmp_path / "strange", "imagix-lyon", house.world.id)
    zone = Prober(tmp_path / "zone", "zone-b", house.world.id).registered(house.directory / "probes")
    result = {
        "unsigned": {**lyon.result(at), "signature": None},
        "touched": {**found, "answered": []},
        "strange": strange.result(at),
        "foreign": lyon.holding(zone.key).result(at),
        "unregistered": Prober(tmp_path / "none", "nowhere", house.world.id).result(at),
        "elsewhere": lyon.result(at, hospital_id="f" * 32),
        "ahead": lyon.result(at + timedelta(hours=1)),
        "replayed": earlier,
        "older": lyon.result(now - timedelta(seconds=1)),
        "first": {"vantage": "imagix-lyon", "at": at.isoformat(), "tried": 3, "answered": [], "refused": []},
    }[forgery]
    path.write_text(json.dumps(result))
    done = rssi.run("flows", "report", str(path))
    assert done.exit_code == 1
    assert field in done.stderr
    assert raised(house) == before
    with house.client("rssi") as client:
        answer = client.post("/v1/flows/probes", json=result, headers={"Accept-Language": "fr"})
    assert answer.status_code == 422
    assert field in [one["field"].rpartition(".")[2] for one in answer.json()["errors"]]


@pytest.mark.parametrize("forgery", ["unsigned", "replayed"])
def test_a_result_written_into_the_journal_itself_ends_nothing(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, lyon: Prober, forgery: str
) -> None:
    """The gateway writes there too: its word alone is an alarm, and an older signed result entered again ends none."""
    *_, rssi = desks
    path = tmp_path / "probe.json"
    clean = lyon.result(house.clock.now())
    for minutes, result in ((0, clean), (1, None)):
        house.clock.advance(timedelta(minutes=minutes))
        told = result or lyon.result(house.clock.now(), answered=["10.20.4.9:22"])
        path.write_text(json.dumps(told))
        rssi.json("flows", "report", str(path))
    assert [over for over, _, told in raised(house) if "10.20.4.9" in told] == [False]
    facts = {**clean, "probed_at": datetime.fromisoformat(clean["at"]).isoformat(), "found": ""}
    if forgery == "unsigned":
        now = house.clock.now()
        facts = {**facts, "at": instants.text(now), "probed_at": now.isoformat()}
    house.run(house.proofs.note(PROBED, "gateway", facts))
    assert [over for over, _, told in raised(house) if "10.20.4.9" in told] == [False]
    house.clock.advance(timedelta(minutes=1))
    path.write_text(json.dumps(lyon.result(house.clock.now())))
    rssi.json("flows", "report", str(path))
    assert [over for over, _, told in raised(house) if "10.20.4.9" in told] == [True]


def test_a_result_from_a_day_to_come_keeps_none_out(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path, lyon: Prober
) -> None:
    """An entry that the gateway dated ahead keeps no vantage from reporting until that day."""
    *_, rssi = desks
    at = house.clock.now() + timedelta(days=9000)
    details = {"vantage": "imagix-lyon", "probed_at": at.isoformat()}
    event = SecurityEvent(name=PROBED, hospital_id=house.world.id, at=at, actor="gateway", details=details)
    house.run(house.context.journal.append(event))
    path = tmp_path / "probe.json"
    path.write_text(json.dumps(lyon.result(house.clock.now())))
    assert rssi.json("flows", "report", str(path))["proved"] is True


def test_what_nobody_signed_neither_hides_a_result_nor_keeps_the_next_one_out(
    house: House,
    desks: tuple[Desk, Desk, Desk],
    tmp_path: Path,
    lyon: Prober,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much the gateway's user writes of other vantages and of this one; more than is looked at closes."""
    *_, rssi = desks
    monkeypatch.setattr(probes, "_PAGE", 2)
    path, now = tmp_path / "probe.json", house.clock.now()
    older, found = lyon.result(now - timedelta(minutes=2)), lyon.result(now, answered=["10.20.4.7:22"])
    path.write_text(json.dumps(found))
    rssi.json("flows", "report", str(path))
    house.clock.advance(timedelta(minutes=1))
    for vantage in ("imagix-lyon", "other", "other"):
        house.run(house.proofs.note(PROBED, "gateway", {"vantage": vantage}))
    path.write_text(json.dumps(older))
    assert "at" in rssi.run("flows", "report", str(path)).stderr
    path.write_text(json.dumps(lyon.result(house.clock.now() - timedelta(seconds=1))))
    assert rssi.json("flows", "report", str(path))["proved"] is True
    monkeypatch.setattr(probes, "_MOST", 2)
    first = Prober(tmp_path / "first", "zone-c", house.world.id).registered(house.directory / "probes")
    path.write_text(json.dumps(first.result(now)))
    assert "at" in rssi.run("flows", "report", str(path)).stderr


def test_a_report_that_is_none_is_refused_by_its_field(
    desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """Neither a screen's control characters nor an open end come into the journal by it; a planner reports nothing."""
    dsi, _denis, rssi = desks
    path = tmp_path / "probe.json"
    nobody = Prober(tmp_path, "nobody", "f" * 32)
    clean = nobody.result(datetime.now(UTC))
    for changed in (
        {"answered": ["\x1b[2J"]},
        {"vantage": "a b"},
        {"tried": 0},
        {"at": "yesterday"},
        {"more": 1},
    ):
        path.write_text(json.dumps({**clean, **changed}))
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
