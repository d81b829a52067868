"""What ``ecluse doctor`` says of the network filter's broker."""

import socket
from pathlib import Path
from threading import Thread

from ecluse import settings
from ecluse.diagnosis.network import flows
from tests.support.installed import change


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
