"""What may be asked of the flow broker: one line, one device's address and port, for so many seconds.

The standard library only, as in all that the broker runs: it holds a right that nothing else here has.
"""

import json
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

LONGEST_LINE: Final = 256
"""Bytes of a request; a right one has 88 at most."""
LONGEST_SECONDS: Final = 86_400
"""A way that is to stay longer is asked for again, by the same connection's owner."""
HIGHEST_PORT: Final = 65_535
_KEYS: Final = {"address", "port", "seconds"}


class Refused(Exception):
    """The broker says no. ``word`` is its whole answer: busy, caller, filter, register, request or unregistered."""

    def __init__(self, word: str, why: str = "") -> None:
        """Answer *word*; *why* is for the log of the machine alone."""
        super().__init__(word)
        self.word = word
        self.why = why


@dataclass(frozen=True, slots=True)
class Place:
    """A device's door: an address in its one canonical form, and a TCP port."""

    address: str
    port: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return ip_address(self.address).version

    @property
    def shown(self) -> str:
        """The place as people write it."""
        host = f"[{self.address}]" if self.version > 4 else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """Open the way to ``place`` for at most ``seconds``."""

    place: Place
    seconds: int


def place(address: object, port: object) -> Place:
    """Return the place, or raise Refused: an address is a literal in canonical form, of one machine, and no disguise.

    An IPv4 address written as IPv6 (``::ffff:…``) would pass the filter of the one and leave as the other.
    """
    if type(address) is not str or type(port) is not int or not 0 < port <= HIGHEST_PORT:
        raise Refused("request", "no address and port")
    try:
        found = ip_address(address)
    except ValueError:
        raise Refused("request", "no address") from None
    disguised = isinstance(found, IPv6Address) and (
        found.ipv4_mapped is not None or found.scope_id is not None
    )
    if disguised or found.is_multicast or found.is_unspecified or str(found) != address:
        raise Refused("request", "no address of one machine in its canonical form")
    return Place(address, port)


def parse(line: bytes) -> Request:
    """Return what *line* asks for: ``{"address": "192.0.2.7", "port": 22, "seconds": 3600}`` and a line feed.

    Raises Refused for anything else: another key, a key twice, a number as text, more bytes than `LONGEST_LINE`.
    """
    if not line.endswith(b"\n") or len(line) > LONGEST_LINE:
        raise Refused("request", "no line")
    try:
        asked = json.loads(line.decode("ascii"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refused("request", "no JSON") from None
    if not isinstance(asked, dict) or asked.keys() != _KEYS:
        raise Refused("request", "other keys")
    seconds = asked["seconds"]
    if type(seconds) is not int or not 0 < seconds <= LONGEST_SECONDS:
        raise Refused("request", "no number of seconds within the bound")
    return Request(place(asked["address"], asked["port"]), seconds)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
