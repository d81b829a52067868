"""The header of the PROXY protocol, version 2: from which address a balancer took the connection that it brings.

Binary, before any byte of SSH; the protocol's own text is section 2.2 of HAProxy's ``proxy-protocol.txt``. Version 1,
a line of text, is refused: it has no length, so that where it ends depends on what follows.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from policy.domain.addresses import plain, read_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST = 1024
"""Bytes of a whole header. One with both addresses of IPv6 has 52; what balancers add to it is a few dozen."""

_START = struct.Struct("!12sBBH")
_VERSION = 0x2
_LOCAL, _PROXY = 0x0, 0x1
_FAMILIES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
"""TCP over IPv4 and over IPv6. Unix sockets and datagrams bring no technician, and "unspecified" no address."""
_EXTRA = struct.Struct("!BH")

Network = IPv4Network | IPv6Network


class BadHeader(ValueError):
    """These bytes begin no header that may be believed; the message is a word for the log."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A header of ``length`` bytes. ``source`` and ``port`` are the client's, None for a balancer's own connection."""

    length: int
    source: str | None
    port: int = 0


def is_listed(address: str, networks: Sequence[Network]) -> bool:
    """Tell whether the IP literal *address* is in one of *networks*; what is no address is in none."""
    try:
        found = read_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def read(data: bytes) -> ProxyHeader | None:
    """Return the header that *data* begins with, None where more of it has to come.

    At most LONGEST bytes have to be held before this is asked. Raises BadHeader as soon as *data* cannot become a
    header: what is wrong in the first byte is refused at the first byte.
    """
    if data[: len(SIGNATURE)] != SIGNATURE[: len(data)]:
        raise BadHeader("version1" if data.startswith(b"PROXY ") else "no_header")
    if len(data) < _START.size:
        return None
    _, command, family, rest = _START.unpack_from(data)
    length = _START.size + rest
    if command >> 4 != _VERSION or command & 0xF not in {_LOCAL, _PROXY}:
        raise BadHeader("command")
    if length > LONGEST:
        raise BadHeader("too_long")
    local = command & 0xF == _LOCAL
    addresses = None if local else _FAMILIES.get(family)
    if addresses is None and not local:
        raise BadHeader("family")
    if addresses is not None and rest < addresses.size:
        raise BadHeader("too_short")
    if len(data) < length:
        return None
    if addresses is None:
        return ProxyHeader(length, None)
    source, _, port, _ = addresses.unpack_from(data, _START.size)
    _check_extras(data[_START.size + addresses.size : length])
    return ProxyHeader(length, _client(source, port), port)


def write(client: tuple[str, int], here: tuple[str, int]) -> bytes:
    """Return the header of a connection from *client* to *here*, each an IP literal and a port, both of one family."""
    addresses = [read_address(host) for host, _ in (client, here)]
    family = 0x11 if addresses[0].version == 4 else 0x21
    body = b"".join(each.packed for each in addresses) + struct.pack("!HH", client[1], here[1])
    return _START.pack(SIGNATURE, _VERSION << 4 | _PROXY, family, len(body)) + body


def _client(packed: bytes, port: int) -> str:
    address = plain(ip_address(packed))
    if not port or address.is_unspecified or address.is_multicast:
        raise BadHeader("address")
    return str(address)


def _check_extras(extras: bytes) -> None:
    """Insist that what follows the addresses fills its place exactly. Nothing in it is used."""
    at = 0
    while at < len(extras):
        if at + _EXTRA.size > len(extras):
            raise BadHeader("extras")
        _, size = _EXTRA.unpack_from(extras, at)
        at += _EXTRA.size + size
    if at > len(extras):
        raise BadHeader("extras")
