"""The ports the two programs listen on, and the broker that opens the way to devices."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.presence import port_of
from ecluse.sections import Flows
from ecluse.settings import Settings

_PATIENCE: Final = 5.0
_ROUTING: Final = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
_SWITCHES: Final = Path("/proc/sys/net")


def ports(settings: Settings) -> Iterator[Symptom]:
    """Look at whether each program could listen, or does."""
    places = (
        ("gateway", settings.gateway.host, settings.gateway.port),
        ("console", settings.console.host, settings.console.port),
    )
    for program, host, port in places:
        check = look("port", program=program, place=f"{host}:{port}")
        running = port_of(settings.run_directory, program)
        if running is not None:
            yield check.good("running", running=running)
            continue
        try:
            family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        except OSError as error:
            yield check.failed("taken", why=error.strerror or str(error))
        else:
            yield check.good("free")


def flows(settings: Settings) -> Symptom:
    """Look at whether the network filter is asked before a device is dialled, and whether its broker answers."""
    path = settings.data_dir / settings.gateway.flow_broker
    check = look("flows", path=str(path))
    if settings.gateway.flows is Flows.OFF:
        return check.notice("off")
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(_PATIENCE)
            caller.connect(str(path))
            caller.sendall(b"\n")  # no request: it opens nothing
            answer = json.loads(caller.makefile("rb").readline(256))
    except (OSError, ValueError) as error:
        return check.failed("silent", why=str(error))
    if answer != {"refused": "request"}:
        return check.failed("other", why=json.dumps(answer)[:100])
    return check.good("answers")


def routing() -> Symptom:
    """Look at whether this machine forwards packets: then it is a way around itself (T1, T2)."""
    check = look("routing")
    on: list[str] = []
    for name in _ROUTING:
        try:
            if (_SWITCHES / name).read_text().strip() != "0":
                on.append(f"net.{name.replace('/', '.')}")
        except FileNotFoundError:
            continue  # a kernel without that family forwards nothing of it
        except OSError as error:
            return check.notice("unknown", why=error.strerror or str(error))
    return check.notice("on", switches=", ".join(on)) if on else check.good("off")
