"""What ``ecluse doctor`` says of the network filter: its broker, and the probes from outside."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from ecluse import settings
from ecluse.diagnosis.flows import flows, probes
from policy.clock import ManualClock
from tests.support.installed import change, ecluse


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
        serving.join(10)


def test_each_vantage_s_newest_probe_is_looked_at(config: Path) -> None:
    """None, clean, a bypass, one that proves nothing, and one that is days old or was when it came: doctor tells them apart by vantage."""
    change(config, "gateway", 'flows = "required"')
    clock = ManualClock(datetime.now(UTC))

    def told() -> dict[str, str]:
        symptoms = asyncio.run(probes(settings.load(config), clock))
        return {
            str(one.subject.arguments.get("vantage")): one.finding.key.rpartition(".")[2] for one in symptoms
        }

    def report(vantage: str, **changed: object) -> None:
        clean = {"vantage": vantage, "at": clock.now().isoformat(), "tried": 3}
        probe = {**clean, "answered": [], "refused": [], "missing": [], **changed}
        done = ecluse("flows", "report", "-", "--config", str(config), typed=json.dumps(probe))
        assert done.exit_code == 0, done.output

    assert told() == {"None": "none"}
    report("lyon", answered=["10.20.4.7:22"])
    report("zone-a", missing=["192.0.2.10:22"])
    assert told() == {"lyon": "bypass", "zone-a": "unproved"}
    for handed_in, finding in ((timedelta(days=-30), "old"), (timedelta(days=30), "unproved")):
        report("lyon", at=(clock.now() + handed_in).isoformat())
        assert told() == {"lyon": finding, "zone-a": "unproved"}
    report("lyon")
    assert told() == {"lyon": "good", "zone-a": "unproved"}
    clock.advance(timedelta(days=4))
    assert told() == {"lyon": "old", "zone-a": "unproved"}
