"""The certificates by which clients know the gateway: for which names, how long, and when they are made anew."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import asyncssh
import pytest
from asyncssh.packet import SSHPacket
from asyncssh.public_key import SSHOpenSSHCertificate

from gateway.server.host_keys import CERTIFICATE_LIFE, CLOCK_SLACK, HostKeys
from policy.clock import ManualClock

NOW = datetime(2026, 3, 17, 11, 0, tzinfo=UTC)
NAMES = ("bastion.example", "192.0.2.1")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(NOW)


def key_file(folder: Path, name: str, kind: str = "ssh-ed25519") -> Path:
    """Return the file of a fresh private key."""
    path = folder / name
    asyncssh.generate_private_key(kind).write_private_key(path)
    return path


def certificate(pair: asyncssh.SSHKeyPair) -> SSHOpenSSHCertificate:
    """Return the certificate that a client is shown, read back from its bytes."""
    line = b"%s %s" % (pair.algorithm, base64.b64encode(pair.public_data))
    return cast(SSHOpenSSHCertificate, asyncssh.import_certificate(line))


def test_each_key_is_shown_plain_and_certified_for_the_gateways_names(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Clients without the CA's line still know the plain keys, which come first; the others know the certificates."""
    files = [key_file(tmp_path, "ed"), key_file(tmp_path, "ec", "ecdsa-sha2-nistp256")]
    keys = HostKeys(files, key_file(tmp_path, "ca"), NAMES, clock)
    algorithms = [pair.algorithm for pair in keys.own()]
    assert algorithms == [
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ssh-ed25519-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com",
    ]
    assert all(certificate(pair).principals == list(NAMES) for pair in keys.own()[2:])


def test_a_certificate_is_short_lived_and_renewed_in_the_running_process(
    tmp_path: Path, clock: ManualClock
) -> None:
    """At half of its life the gateway's own certificate is made anew: a gateway that runs for months never shows a dead one."""
    keys = HostKeys([key_file(tmp_path, "ed")], key_file(tmp_path, "ca"), NAMES, clock)
    first = keys.own()[1]
    assert span(first) == (NOW - CLOCK_SLACK, NOW + CERTIFICATE_LIFE)
    clock.advance(CERTIFICATE_LIFE / 2 - timedelta(seconds=1))
    assert keys.own()[1] is first
    clock.advance(timedelta(seconds=1))
    assert span(keys.own()[1])[1] == NOW + CERTIFICATE_LIFE / 2 + CERTIFICATE_LIFE


def test_a_device_gets_a_certificate_for_its_name_alone(tmp_path: Path, clock: ManualClock) -> None:
    """What a jump is shown names the device that was typed and nothing else, least of all the gateway."""
    keys = HostKeys([key_file(tmp_path, "ed")], key_file(tmp_path, "ca"), NAMES, clock)
    assert certificate(keys.shown_as(["scan01"])[-1]).principals == ["scan01"]


def test_without_a_ca_or_a_name_the_plain_keys_serve(tmp_path: Path, clock: ManualClock) -> None:
    """A certificate without principals would be good for every host: none is ever made."""
    files = [key_file(tmp_path, "ed")]
    assert [pair.has_cert for pair in HostKeys(files, None, NAMES, clock).own()] == [False]
    unnamed = HostKeys(files, key_file(tmp_path, "ca"), (), clock)
    assert [pair.has_cert for pair in unnamed.own()] == [False]
    assert HostKeys(files, None, NAMES, clock).authority_line is None


def test_an_rsa_key_never_signs_with_sha1(tmp_path: Path, clock: ManualClock) -> None:
    """Plain or certified, an RSA host key offers SHA-2 alone."""
    keys = HostKeys([key_file(tmp_path, "rsa", "ssh-rsa")], key_file(tmp_path, "ca"), NAMES, clock)
    offered = [bytes(name) for pair in keys.own() for name in pair.host_key_algorithms]
    assert offered == [
        b"rsa-sha2-512",
        b"rsa-sha2-256",
        b"rsa-sha2-512-cert-v01@openssh.com",
        b"rsa-sha2-256-cert-v01@openssh.com",
    ]


def span(pair: asyncssh.SSHKeyPair) -> tuple[datetime, datetime]:
    """Return from when until when a certificate is good, from its bytes (PROTOCOL.certkeys)."""
    packet = SSHPacket(pair.public_data)
    for _ in range(3):  # type, nonce, key
        packet.get_string()
    packet.get_uint64()
    packet.get_uint32()
    for _ in range(2):  # key id, principals
        packet.get_string()
    after, before = packet.get_uint64(), packet.get_uint64()
    return datetime.fromtimestamp(after, UTC), datetime.fromtimestamp(before, UTC)
