"""What ``ecluse doctor`` says of the network filter: its broker, and the probes from outside."""

import asyncio
import json
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import Result

from ecluse import settings
from ecluse.demo.ports import free_port
from ecluse.diagnosis import flows as diagnosis
from ecluse.diagnosis.flows import flows, probes
from ecluse.local_acts import journalled
from policy.clock import ManualClock
from tests.support.installed import change, ecluse
from tests.support.probes import Prober


def test_the_keys_of_probes_are_registered_told_and_taken_away(config: Path, tmp_path: Path) -> None:
    """A result is signed by the key made on the machine that probes, refused until the key is registered, and after."""

    def keys(*arguments: str) -> Result:
        return ecluse("flows", "keys", *arguments, "--config", str(config))

    key, matrix = tmp_path / "probe.pem", tmp_path / "flows.json"
    chosen = settings.load(config)
    flow = {"device": "scan01", "zone": "a", "address": "127.0.0.1", "port": free_port()}
    assert ecluse("flows", "keys", "new", str(key)).exit_code == 0
    assert ecluse("flows", "keys", "new", str(key)).exit_code == 1, "nothing is written over"
    with socket.create_server(("127.0.0.1", 0)) as door:
        expect = f"127.0.0.1:{door.getsockname()[1]}"
        probe = (
            "flows",
            "probe",
            "--matrix",
            str(matrix),
            "--vantage",
            "lyon",
            "--expect",
            expect,
            "--rejects",
            "--json",
        )
        matrix.write_text(json.dumps({"flows": [flow]}))
        assert "hospital_id" in ecluse(*probe, "--key", str(key)).stderr, "a matrix of an earlier version"
        matrix.write_text(json.dumps({"hospital_id": chosen.hospital_id, "flows": [flow]}))
        unsigned, signed = ecluse(*probe).stdout, ecluse(*probe, "--key", str(key)).stdout

    def report(result: str) -> Result:
        return ecluse("flows", "report", "-", "--config", str(config), typed=result)

    assert "signature" in report(unsigned).stderr
    assert "flows keys add" in report(signed).stderr
    assert keys("add", "Lyon/..", f"{key}.pub").exit_code == 1
    assert keys("add", "lyon", str(key)).exit_code == 1, "the private half is none"
    assert keys("add", "lyon", f"{key}.pub").exit_code == 0
    assert stat.S_IMODE(chosen.probe_keys.stat().st_mode) == 0o755, "the console's user reads it"
    assert keys("add", "lyon", f"{key}.pub").exit_code == 1, "a key is not replaced unseen"
    assert [one["vantage"] for one in json.loads(keys("list", "--json").stdout)] == ["lyon"]
    done = report(signed)
    assert done.exit_code == 0, done.output
    assert report(signed).exit_code == 1, "twice is a replay"
    assert keys("remove", "lyon").exit_code == 0
    assert keys("remove", "lyon").exit_code == 1
    assert "flows keys add" in report(signed).stderr


def found(config: Path) -> tuple[str, str]:
    """What is found, and how bad."""
    symptom = flows(settings.load(config))
    return symptom.finding.key, symptom.level.value


def test_a_filter_that_is_demanded_and_does_not_answer_fails(config: Path) -> None:
    """Off is noticed; demanded without the broker, no session would open; what answers there must serve this user."""
    assert found(config) == ("doctor.flows.off", "notice")
    change(config, "gateway", 'flows = "required"')
    change(config, "gateway", 'flow_broker = "flows.sock"')
    assert found(config) == ("doctor.flows.silent", "failed")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(settings.load(config).data_dir / "flows.sock"))
        server.listen()

        def serve() -> None:
            for word in ("caller", "request"):
                with server.accept()[0] as caller:
                    caller.recv(16)
                    caller.sendall(b'{"refused": "%s"}\n' % word.encode())

        serving = Thread(target=serve)
        serving.start()
        assert found(config) == ("doctor.flows.other", "failed")
        assert found(config) == ("doctor.flows.answers", "good")
        serving.join(60)


def test_each_vantage_s_newest_probe_is_looked_at(config: Path, tmp_path: Path) -> None:
    """None, clean, a bypass, one that proves nothing, and one that is days old or was when it came: doctor tells them apart by vantage."""
    change(config, "gateway", 'flows = "required"')
    clock = ManualClock(datetime.now(UTC))

    def told() -> dict[str, str]:
        symptoms = asyncio.run(probes(settings.load(config), clock))
        return {
            str(one.subject.arguments.get("vantage")): one.finding.key.rpartition(".")[2] for one in symptoms
        }

    chosen = settings.load(config)
    probers = {
        name: Prober(tmp_path, name, chosen.hospital_id).registered(chosen.probe_keys)
        for name in ("lyon", "zone-a")
    }

    def report(vantage: str, at: timedelta, **changed: object) -> None:
        probe = probers[vantage].result(clock.now() + at, **changed)
        done = ecluse("flows", "report", "-", "--config", str(config), typed=json.dumps(probe))
        assert done.exit_code == 0, done.output

    assert told() == {"None": "none"}
    report("lyon", timedelta(days=-31), answered=["10.20.4.7:22"])
    report("zone-a", timedelta(minutes=-9), missing=["192.0.2.10:22"])
    assert told() == {"lyon": "bypass", "zone-a": "unproved"}
    report("lyon", timedelta(days=-30))
    assert told() == {"lyon": "old", "zone-a": "unproved"}
    report("lyon", timedelta(minutes=-3))
    assert told() == {"lyon": "good", "zone-a": "unproved"}
    forged = {
        "vantage": "zone-a",
        "answered": [],
        "refused": [],
        "missing": [],
        "probed_at": clock.now().isoformat(),
    }
    asyncio.run(journalled(chosen, "flows.probed", forged, actor="gateway", chain="forged"))
    assert told() == {"lyon": "good", "zone-a": "unproved"}, "what nobody signed is passed over"
    clock.advance(timedelta(days=4))
    assert told() == {"lyon": "old", "zone-a": "unproved"}


def test_switches_that_a_unit_is_not_shown_are_not_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind ``ProcSubset=pid`` there is no /proc/sys: whether the machine forwards is unknown then, and said so."""
    monkeypatch.setattr(diagnosis, "_SWITCHES", tmp_path / "sys/net")
    assert diagnosis.routing().finding.key == "doctor.routing.unknown"
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        place = tmp_path / "sys/net" / name
        place.parent.mkdir(parents=True)
        place.write_text("0\n")
    assert diagnosis.routing().finding.key == "doctor.routing.off"
