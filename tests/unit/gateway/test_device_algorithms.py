"""What a device's list of algorithms may name is what the gateway's SSH library can speak."""

import re
from collections.abc import Callable

import pytest
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from gateway.sshfix.algorithms import ENCRYPTION, KEX, MAC
from policy.domain.devices import KNOWN

LEFT_OUT = re.compile("gss-|umac-|sntrup|sk-|webauthn-")
"""What hangs on another library of the machine, or on a person's security key."""


@pytest.mark.parametrize(
    ("kind", "spoken"),
    [
        ("kex", get_kex_algs),
        ("host_key", get_public_key_algs),
        ("encryption", get_encryption_algs),
        ("mac", get_mac_algs),
    ],
)
def test_a_device_may_be_given_what_the_gateway_can_speak(
    kind: str, spoken: Callable[[], list[bytes]]
) -> None:
    """Neither a name that makes the device unreachable may be written, nor is one refused that would serve."""
    able = [name.decode("ascii") for name in spoken()]
    assert sorted(KNOWN[kind]) == sorted(name for name in able if not LEFT_OUT.match(name))


def test_the_modern_ones_may_stand_beside_the_old() -> None:
    """What every device is offered may be named in one device's list too."""
    for kind, modern in (("kex", KEX), ("encryption", ENCRYPTION), ("mac", MAC)):
        assert set(modern) <= set(KNOWN[kind])
