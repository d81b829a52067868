"""A balancer's header is read exactly, or refused at the first byte that cannot be one."""

import socket
import struct
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.proxy_header import LONGEST, SIGNATURE, BadHeader, ProxyHeader, is_listed, read
from tests.support.proxy_headers import extra, proxied

LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (proxied("192.0.2.7", 4022), "192.0.2.7"),
        (proxied("2001:db8::7", 4022), "2001:db8::7"),
        (proxied("::ffff:192.0.2.7", 4022), "192.0.2.7"),
        (proxied("192.0.2.7", 4022, extra(0x05, b"id") + extra(0x04, b"")), "192.0.2.7"),
        (proxied("192.0.2.7", 4022, extra(0x04, bytes(LONGEST - 28 - 3))), "192.0.2.7"),
    ],
)
def test_the_client_s_address_is_read_and_what_follows_is_left(header: bytes, source: str) -> None:
    """The address of TCP over IPv4 or IPv6, with or without extras, and the header's own length."""
    assert read(header + b"SSH-2.0-x\r\n") == ProxyHeader(len(header), source, 4022)


def test_a_balancer_s_own_connection_has_no_client() -> None:
    """LOCAL brings nobody, whatever addresses it carries."""
    assert read(LOCAL) == ProxyHeader(16, None)
    carrying = proxied("192.0.2.7", 4022).replace(b"\x21\x11", b"\x20\x11", 1)
    assert read(carrying) == ProxyHeader(28, None)


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        (b"S", "no_header"),
        (b"SSH-2.0-OpenSSH\r\n", "no_header"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4022 22\r\n", "version1"),
        (b"\r\n\r\n\x01", "no_header"),
        (SIGNATURE + b"\x11\x11\x00\x0c", "command"),
        (SIGNATURE + b"\x22\x11\x00\x0c", "command"),
        (SIGNATURE + b"\x21\x31\x00\xd8", "family"),
        (SIGNATURE + b"\x21\x12\x00\x0c", "family"),
        (SIGNATURE + b"\x21\x00\x00\x00", "family"),
        (SIGNATURE + b"\x21\x11\x00\x0b", "too_short"),
        (SIGNATURE + b"\x21\x21\x00\x23", "too_short"),
        (SIGNATURE + b"\x21\x11\x40\x00", "too_long"),
        (SIGNATURE + b"\x20\x00\xff\xff", "too_long"),
        (proxied("0.0.0.0", 4022), "address"),
        (proxied("224.0.0.1", 4022), "address"),
        (proxied("::", 4022), "address"),
        (proxied("192.0.2.7", 0), "address"),
        (proxied("192.0.2.7", 4022, b"\x04"), "extras"),
        (proxied("192.0.2.7", 4022, b"\x04\x00\x09x"), "extras"),
    ],
)
def test_what_is_no_header_is_refused_before_more_of_it_comes(begun: bytes, why: str) -> None:
    """Each wrong byte is refused as soon as it is there: nobody is waited for who cannot come right."""
    with pytest.raises(BadHeader, match=f"^{why}$"):
        read(begun)


@given(st.ip_addresses(), st.integers(1, 65535), st.lists(st.binary(max_size=60), max_size=8), st.binary())
def test_every_beginning_of_a_header_waits_for_the_rest(
    source: object, port: int, extras: list[bytes], after: bytes
) -> None:
    """Cut anywhere, a header asks for more; whole, it is the same whatever follows."""
    header = proxied(str(source), port, b"".join(extra(0x05, each) for each in extras))
    address = ip_address(str(source))
    mapped = getattr(address, "ipv4_mapped", None)
    if (
        address.is_unspecified
        or address.is_multicast
        or (mapped and (mapped.is_multicast or not int(mapped)))
    ):
        with pytest.raises(BadHeader):
            read(header + after)
        return
    assert all(read(header[:cut]) is None for cut in range(len(header)))
    found = read(header + after)
    assert found is not None
    assert (found.length, found.port) == (len(header), port)
    assert found.source == str(mapped or address)


@given(st.binary(max_size=80).map(lambda tail: SIGNATURE + tail) | st.binary(max_size=80))
def test_any_bytes_are_a_header_or_refused_or_waited_for(data: bytes) -> None:
    """Nothing else is raised, a header is bounded, and its source is an address that the system knows."""
    try:
        found = read(data)
    except BadHeader:
        return
    if found is None:
        assert len(data) < LONGEST
    else:
        assert 16 <= found.length <= min(LONGEST, len(data))
        if found.source is not None:
            family = socket.AF_INET6 if ":" in found.source else socket.AF_INET
            socket.inet_pton(family, found.source)


def test_only_a_listed_address_is_a_balancer() -> None:
    """IPv4 written as IPv6 is IPv4; a zone is no part of an address; nothing else is listed, and nothing by default."""
    networks = (ip_network("10.0.0.5"), ip_network("2001:db8::/64"))
    assert all(is_listed(each, networks) for each in ("10.0.0.5", "::ffff:10.0.0.5", "2001:db8::1%eth0"))
    assert not any(
        is_listed(each, networks) for each in ("10.0.0.6", "2001:db9::1", "", "unix", "10.0.0.5.1")
    )
    assert not is_listed("10.0.0.5", ())


def test_the_lengths_are_those_of_the_protocol() -> None:
    """16 bytes of start, 12 of IPv4 addresses, 36 of IPv6 ones, in network order."""
    assert struct.unpack("!H", proxied("192.0.2.7", 1)[14:16]) == (12,)
    assert struct.unpack("!H", proxied("2001:db8::7", 1)[14:16]) == (36,)
