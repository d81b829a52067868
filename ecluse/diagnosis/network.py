"""The ports the two programs listen on."""

import socket
from collections.abc import Iterator

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.presence import port_of
from ecluse.settings import Settings


def ports(settings: Settings) -> Iterator[Symptom]:
    """Look at whether each program could listen, or does."""
    places = [("gateway", settings.gateway.host, settings.gateway.port)]
    if not settings.console.elsewhere:
        places.append(("console", settings.console.host, settings.console.port))
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
