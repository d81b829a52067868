"""IP addresses as they are compared: without a scope, and IPv4 as IPv4 however it was written."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return *address*, and the IPv4 address that an IPv4-mapped IPv6 one stands for (RFC 4291 section 2.5.5.2)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def read_address(text: str) -> IPv4Address | IPv6Address:
    """Return the `plain` address of the IP literal *text*, whose scope id is left out; raises ValueError for any other."""
    return plain(ip_address(text.partition("%")[0]))


def readable(text: str) -> str:
    """Return the address of a peer as people read it: `plain`, without a scope; as it is where it is no IP literal.

    A socket for both versions of IP names whoever comes by IPv4 by the IPv6 address that stands for hers.
    """
    try:
        return str(read_address(text))
    except ValueError:
        return text
