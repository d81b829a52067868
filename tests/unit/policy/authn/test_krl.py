"""OpenSSH's key revocation lists: read as ssh-keygen writes them, and nothing else."""

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.authn.krl import LARGEST, KeyRevocationList
from policy.errors import InvalidInput
from tests.support.ssh_authority import SshAuthority, new_key


def blob(line: str) -> bytes:
    """Return the key of a public line in wire format."""
    return base64.b64decode(line.split()[1])


async def test_everything_that_ssh_keygen_can_revoke_is_read(tmp_path: Path) -> None:
    """Numbers far and near (lists, ranges and bitmaps), names, keys and digests: named is revoked, its neighbour is not."""
    authority = await SshAuthority.make(tmp_path / "ca")
    key = (await new_key(tmp_path / "key")).with_suffix(".pub").read_text().strip()
    other = (await new_key(tmp_path / "other")).with_suffix(".pub").read_text().strip()
    numbers = [3, 5, 6, 9, 1000, 2**40, 2**63 + 1]
    what = [*(f"serial: {number}" for number in numbers), "serial: 20000-90000", "id: mallory", f"key: {key}"]
    krl = KeyRevocationList(await authority.revoke(tmp_path / "krl", *what, version=12))
    signer = blob(authority.line)
    assert krl.version == 12
    for number in (*numbers, 20000, 50000, 90000):
        assert krl.revokes_certificate(signer, number, b"alice"), number
    for number in (0, 1, 4, 7, 8, 10, 999, 1001, 19999, 90001, 2**40 + 1, 2**63):
        assert not krl.revokes_certificate(signer, number, b"alice"), number
    assert krl.revokes_certificate(signer, 1, b"mallory")
    assert not krl.revokes_certificate(blob(other), 5, b"mallory")
    assert krl.revokes_key(blob(key))
    assert not krl.revokes_key(blob(other))


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
async def test_digests_of_keys_are_read(tmp_path: Path, kind: str) -> None:
    """A list that names keys by their digests alone says the same of them."""
    authority = await SshAuthority.make(tmp_path / "ca")
    key = (await new_key(tmp_path / "key")).with_suffix(".pub").read_text().strip()
    krl = KeyRevocationList(await authority.revoke(tmp_path / "krl", f"{kind}: {key}"))
    assert krl.revokes_key(blob(key))
    assert not krl.revokes_key(blob(authority.line))


async def test_a_list_that_is_cut_short_or_goes_on_is_refused(tmp_path: Path) -> None:
    """Every shorter beginning, a tail and a section that is unknown: refused, for what is missing may be a revocation."""
    authority = await SshAuthority.make(tmp_path / "ca")
    whole = await authority.revoke(tmp_path / "krl", "serial: 7", "id: mallory")
    KeyRevocationList(whole)
    header = 8 + 4 + 8 + 8 + 8 + 4 + 4
    for end in range(header + 1, len(whole)):
        with pytest.raises(InvalidInput, match="krl"):
            KeyRevocationList(whole[:end])
    for tail in (b"\x01", b"\x63\0\0\0\0", b"\x03\0\0\0\x05\0\0\0\x01x"):
        with pytest.raises(InvalidInput, match="krl"):
            KeyRevocationList(whole + tail)
    with pytest.raises(InvalidInput, match="takes more than"):
        KeyRevocationList(b"x" * (LARGEST + 1))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(tail: bytes) -> None:
    """Whatever follows the magic, the reader says yes or refuses; it never fails otherwise, nor takes long."""
    head = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + bytes(8)
    for content in (tail, head + tail, head + b"\x01" + len(tail).to_bytes(4, "big") + tail):
        try:
            KeyRevocationList(content).revokes_certificate(b"", 1, b"")
        except InvalidInput:
            continue
