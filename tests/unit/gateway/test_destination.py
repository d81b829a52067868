"""Where a jump may lead, by the text of its destination alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server import destination
from gateway.server.destination import refusal_of_name
from policy.domain.ids import NAME_PATTERN

OWN = ("bastion.example", "192.0.2.1", "Bastion")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "192.0.2.1", "10.0.0.5", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "fe80::1%eth0"),
        *("[::1]", "[::ffff:10.0.0.5]", "0.0.0.0", "::", "2001:db8::5"),
    ],
)
def test_an_address_is_no_device(host: str) -> None:
    """Every way of writing an address is refused as one, in brackets and with a zone too."""
    assert refusal_of_name(host, None, OWN) is destination.ADDRESS


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "ip6-localhost", "bastion", "BASTION.example", "bastion."],
)
def test_the_gateway_is_no_device(host: str) -> None:
    """The gateway's own names, in any case and with a final dot, lead nowhere."""
    assert refusal_of_name(host, None, OWN) is destination.SELF


@pytest.mark.parametrize(
    "host", ["", "Scan01", "scan 01", "scan01;id", "é", "-scan01", "a" * 64, "scan01\0", "*"]
)
def test_what_cannot_be_a_name_is_refused_as_such(host: str) -> None:
    """A device's name is lower case ASCII; nothing else is looked for."""
    assert refusal_of_name(host, None, OWN) is destination.NAME


def test_a_log_in_for_one_device_leads_to_it_alone() -> None:
    """Where the log-in names a device, that one is the only destination."""
    assert refusal_of_name("scan01", "scan01", OWN) is None
    assert refusal_of_name("mri02", "scan01", OWN) is destination.OTHER
    assert refusal_of_name("mri02", None, OWN) is None


# numbers that some resolvers take for addresses are names like others: nothing here is ever resolved
@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1"])
def test_a_number_is_a_name_that_policy_knows_or_not(host: str) -> None:
    """What is no literal address goes to policy as a name, and is looked up among devices alone."""
    assert refusal_of_name(host, None, OWN) is None


@given(st.text(max_size=300))
def test_only_names_pass(host: str) -> None:
    """Whatever is typed, nothing but a name comes through, and the check never fails."""
    if refusal_of_name(host, None, OWN) is None:
        assert NAME_PATTERN.fullmatch(host)
