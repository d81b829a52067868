"""What this machine listens to for others than itself, beside what its settings say."""

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from typing_extensions import override

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.presence import port_of
from ecluse.settings import Settings
from policy.domain.addresses import plain

NET: Final = Path("/proc/self/net")
"""Of this process, so that a unit that sees nothing but processes (``ProcSubset=pid``) sees it too."""
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LISTENING: Final = {"tcp": "0A", "udp": "07"}
_EPHEMERAL: Final = 32768
_SHOWN: Final = 12
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A port that is listened to, at one address of this machine."""

    port: int
    protocol: str
    address: str

    @override
    def __str__(self) -> str:
        """Return it as people write it."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}/{self.protocol}"


def exposure(settings: Settings) -> Iterator[Symptom]:
    """Look at what listens beyond this machine."""
    return beside(expected(settings))


def beside(wanted: Sequence[Listener]) -> Iterator[Symptom]:
    """Look at what listens beyond this machine and is not *wanted*; one without an address may at any."""
    check = look("exposure")
    try:
        found = listeners()
    except (OSError, ValueError) as error:
        yield check.undone("unseen", why=str(error))
        return
    taken = {(one.port, one.protocol) for one in found if one.address in _EVERYWHERE}
    strangers = [
        one
        for one in found
        if not any(_fits(one, place) for place in wanted)
        # who listens everywhere has no need of an address: that is somebody else, who takes what comes to it there
        or (one.address not in _EVERYWHERE and (one.port, one.protocol) in taken)
    ]
    if strangers:
        more = f" (+{len(strangers) - _SHOWN})" if len(strangers) > _SHOWN else ""
        yield check.failed("more", listeners=", ".join(map(str, strangers[:_SHOWN])) + more)
    else:
        yield check.good(listeners=", ".join(map(str, found)) or "–")


def expected(settings: Settings) -> list[Listener]:
    """Return what may listen: the programs where their settings say, and what the settings name besides, at any address."""
    gateway, console = settings.gateway, settings.console
    places: list[tuple[str, int | None]] = []
    here = (("gateway", gateway),) if console.elsewhere else (("gateway", gateway), ("console", console))
    for program, section in here:
        running = port_of(settings.run_directory, program)
        places.append((section.host, section.port or running))
        if section.metrics_port is not None:
            watched = section.metrics_port or port_of(settings.run_directory, program, "watched")
            places.append((section.metrics_host, watched))
    own = [Listener(port, "tcp", host) for host, port in places if port is not None]
    return [*own, *further(settings.self_audit.listens)]


def further(listens: Sequence[str]) -> list[Listener]:
    """Return what settings name besides, ``22/tcp``, at any address."""
    places = [one.partition("/") for one in listens]
    return [Listener(int(port), protocol, "") for port, _, protocol in places]


def listeners(folder: Path = NET) -> list[Listener]:
    """Return what listens on this machine and can be reached from others. Raises OSError where the kernel does not say."""
    found = {
        Listener(port, protocol, address.compressed)
        for protocol in _LISTENING
        for address, port in _sockets(folder, protocol)
        if not address.is_loopback
    }
    first = _first_ephemeral()
    # an unconnected UDP socket at a port of the kernel's choice is somebody who asks, not who answers
    return sorted(one for one in found if one.protocol == "tcp" or one.port < first)


def _sockets(folder: Path, protocol: str) -> Iterator[tuple[IPv4Address | IPv6Address, int]]:
    for suffix in ("", "6"):
        try:
            lines = (folder / f"{protocol}{suffix}").read_text().splitlines()[1:]
        except FileNotFoundError:
            if suffix:
                continue  # a kernel without IPv6
            raise
        for line in lines:
            place, state = line.split()[1], line.split()[3]
            if state == _LISTENING[protocol]:
                address, _, port = place.partition(":")
                yield _address(address), int(port, 16)


def _address(digits: str) -> IPv4Address | IPv6Address:
    """Return what the kernel writes as 32-bit words of its own byte order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return plain(ip_address(struct.pack(f"={len(words)}I", *words)))


def _first_ephemeral() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL


def _fits(one: Listener, place: Listener) -> bool:
    if (one.port, one.protocol) != (place.port, place.protocol):
        return False
    return place.address in {"", *_EVERYWHERE} or one.address in _addresses(place.address)


def _addresses(host: str) -> Sequence[str]:
    try:
        return [ip_address(host).compressed]
    except ValueError:
        pass
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []
