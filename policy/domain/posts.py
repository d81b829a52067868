"""Where a person works from: her post, as far as the network tells it (rule E2)."""

from ipaddress import IPv6Address, ip_network

from policy.domain.addresses import read_address

_IPV6_PREFIX = 64  # the network one subscriber gets (RFC 6177); a post moves inside it at will


def post_of(source: str) -> str:
    """Return what tells posts apart by the IP literal *source*: the IPv4 address, or the IPv6 /64.

    What is no IP literal is a post of its own.
    """
    try:
        address = read_address(source)
    except ValueError:
        return source
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
