import pytest

from tests.support.facts import SITE, SUPPLIER


@pytest.mark.parametrize(
    "address",
    ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7", "2001:db8::1", "2001:DB8:0:ffff::1", "2001:db8::1%eth0"],
)
def test_addresses_of_a_declared_site(address: str) -> None:
    """An address in a declared network belongs to its site, in either family and however it is written."""
    assert SUPPLIER.site_of(address) == SITE


@pytest.mark.parametrize(
    "address",
    [
        "192.0.3.0",
        "203.0.113.9",
        "2001:db9::1",
        "::ffff:203.0.113.9",
        "::192.0.2.7",
        "64:ff9b::192.0.2.7",
        "",
        "192.0.2.7/32",
        "192.0.2.007",
        "0xC0000207",
        "3221225991",
        "192.0.2.7 ",
        "localhost",
        "192.0.2.7, 203.0.113.9",
        "\x00",
    ],
)
def test_other_addresses_belong_nowhere(address: str) -> None:
    """An address outside every network, or no address at all, belongs to no site; nothing is raised."""
    assert SUPPLIER.site_of(address) is None
