"""Public lines of FIDO2 keys: people's, made for SSH, and never a device's."""

import base64

import pytest

from policy.authn import ssh_keys
from policy.errors import InvalidInput
from tests.support.authenticator import ECDSA, ED25519, SecurityKey


@pytest.mark.parametrize("algorithm", [ED25519, ECDSA])
def test_a_security_key_of_a_person_is_read(algorithm: bytes) -> None:
    """Both kinds that OpenSSH makes are enrolled under their own algorithm and fingerprint."""
    key = SecurityKey(algorithm)
    parsed = ssh_keys.parse(key.line, security_keys=True)
    assert (parsed.algorithm, parsed.blob, parsed.bits) == (algorithm.decode(), key.blob, 256)
    assert ssh_keys.is_security_key(parsed.algorithm)


def test_a_security_key_is_no_host_key() -> None:
    """A device has no finger: its line is refused where a host key is pinned."""
    with pytest.raises(InvalidInput, match="serves people"):
        ssh_keys.parse(SecurityKey().line)


@pytest.mark.parametrize("application", [b"https://login.example", b"", b"ssh"])
def test_a_key_made_for_something_else_is_refused(application: bytes) -> None:
    """A credential of a web site signs for whoever runs that site: only SSH's own serve."""
    with pytest.raises(InvalidInput, match="is damaged"):
        ssh_keys.parse(SecurityKey(application=application).line, security_keys=True)


@pytest.mark.parametrize("kind", ["sk-ssh-rsa@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"])
def test_an_unknown_kind_is_refused_with_the_way_out(kind: str) -> None:
    """Neither a kind that does not exist nor a browser's signature format is taken for a key."""
    with pytest.raises(InvalidInput, match=r"ed25519-sk|must start with"):
        ssh_keys.parse(f"{kind} {base64.b64encode(b'x' * 60).decode()}", security_keys=True)
