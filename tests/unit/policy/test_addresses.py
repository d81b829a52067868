"""Addresses as people read them."""

import pytest
from fastapi import Request

from admin_api.deps import source_of
from policy.domain.addresses import readable


@pytest.mark.parametrize(
    ("peer", "read"),
    [
        ("::ffff:192.0.2.77", "192.0.2.77"),
        ("192.0.2.77", "192.0.2.77"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
    ],
)
def test_a_peer_s_address_is_read_as_it_was_dialled(peer: str, read: str) -> None:
    """Behind a socket for both versions of IP an IPv4 client is told, logged and listed by her IPv4 address."""
    assert readable(peer) == read
    if peer:
        assert source_of(Request({"type": "http", "client": (peer, 50_000)})) == read
