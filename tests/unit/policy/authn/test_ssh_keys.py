"""Public keys as people hand them over."""

import base64
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policy.authn import ssh_keys
from policy.errors import InvalidInput


def line(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """The public half as OpenSSH writes it."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED25519 = line(ed25519.Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("ed25519", 256),
        ("ecdsa -b 256", 256),
        ("ecdsa -b 384", 384),
        ("ecdsa -b 521", 521),
        ("rsa -b 2048", 2048),
        ("rsa -b 3072", 3072),
    ],
)
def test_keys_made_by_openssh_are_read_and_fingerprinted_as_it_does(
    tmp_path: Path, kind: str, bits: int
) -> None:
    """ssh-keygen's own keys: same fingerprint and size as ssh-keygen -l says."""
    path = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-N", "", "-C", "alice at work", "-f", str(path), "-t", *kind.split()],
        check=True,
    )
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True
    ).stdout
    key = ssh_keys.parse(path.with_suffix(".pub").read_text())
    assert told.split()[:2] == [str(key.bits), key.fingerprint]
    assert key.bits == bits
    assert key.comment == "alice at work"


def test_a_key_without_comment_and_with_blanks_around_is_read() -> None:
    """Trailing newlines and the comment are not part of the key."""
    plain = ssh_keys.parse(ED25519)
    assert ssh_keys.parse(f"  {ED25519}  a comment\n").blob == plain.blob
    assert plain.algorithm == "ssh-ed25519"


def test_control_characters_in_a_comment_are_dropped() -> None:
    """A comment is shown on screens: it carries no escape sequence and no megabyte."""
    key = ssh_keys.parse(f"{ED25519} \x1b[2Jalice\x07 {'x' * 500}")
    assert key.comment.startswith("[2Jalice ")
    assert len(key.comment) == 100


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a_short_rsa_key_is_refused(bits: int) -> None:
    """Under 2048 bits is refused with a command that makes a better one."""
    key = rsa.generate_private_key(65537, bits)
    with pytest.raises(InvalidInput, match="ed25519"):
        ssh_keys.parse(line(key))


def test_a_dsa_key_is_refused() -> None:
    """ssh-dss is too weak whatever its size."""
    numbers = dsa.generate_private_key(2048).public_key().public_numbers()
    parameters = numbers.parameter_numbers
    parts = [b"ssh-dss"] + [
        value.to_bytes(value.bit_length() // 8 + 1, "big")
        for value in (parameters.p, parameters.q, parameters.g, numbers.y)
    ]
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    with pytest.raises(InvalidInput, match="DSA"):
        ssh_keys.parse(f"ssh-dss {base64.b64encode(blob).decode()}")


def test_a_certificate_is_refused(tmp_path: Path) -> None:
    """A certificate is judged by other rules and is not a key."""
    for name in ("ca", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", str(tmp_path / name)], check=True
        )
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "x", "-n", "root", str(tmp_path / "user.pub")],
        check=True,
    )
    with pytest.raises(InvalidInput, match="certificate"):
        ssh_keys.parse((tmp_path / "user-cert.pub").read_text())


def test_a_private_key_is_refused_loudly() -> None:
    """Whoever pastes a private key is told to make a new one; the key is not repeated."""
    for between in (" ", "\n", "\r\n"):
        with pytest.raises(InvalidInput, match="private key") as refused:
            ssh_keys.parse(between.join(("-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1rZXktdjEA")))
        assert "b3Blbn" not in str(refused.value)


def test_options_in_front_of_a_key_are_refused() -> None:
    """A line of an authorized_keys file with options is not a public key."""
    with pytest.raises(InvalidInput):
        ssh_keys.parse(f'command="sh",no-pty {ED25519}')


def test_an_algorithm_that_is_not_the_blobs_is_refused() -> None:
    """The name in front and the name inside must agree."""
    with pytest.raises(InvalidInput, match="another"):
        ssh_keys.parse(ED25519.replace("ssh-ed25519", "ssh-rsa", 1))


def test_bytes_after_the_key_are_refused() -> None:
    """Two spellings of one key would have two fingerprints, and so two owners."""
    algorithm, encoded = ED25519.split()[:2]
    longer = base64.b64encode(base64.b64decode(encoded) + b"\0").decode()
    with pytest.raises(InvalidInput):
        ssh_keys.parse(f"{algorithm} {longer}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        f"{ED25519}\n{ED25519}",
        f"{ED25519}\0",
        "sk-ssh-ed25519@openssh.com AAAA",
        "x" * 100_000,
        "ssh-ed25519 " + "A" * 100_000,
        "\ud800 \ud800",
        "ssh-ed25519 \uff21\uff21\uff21\uff21",
    ],
    ids=[
        "empty",
        "kind alone",
        "kind and space",
        "no base64",
        "short base64",
        "cut short",
        "two lines",
        "nul",
        "hardware key cut short",
        "a flood of letters",
        "a flood of base64",
        "surrogates",
        "full-width letters",
    ],
)
def test_junk_is_refused_with_the_way_out(text: str) -> None:
    """Empty, truncated, several lines, floods, other scripts: InvalidInput on the field public_key."""
    with pytest.raises(InvalidInput) as refused:
        ssh_keys.parse(text)
    assert refused.value.field == "public_key"
    assert len(str(refused.value)) < 400


def test_membership_is_by_the_whole_blob() -> None:
    """A key is one of the enrolled only byte for byte."""
    mine, other = (
        ssh_keys.parse(ED25519).blob,
        ssh_keys.parse(line(ed25519.Ed25519PrivateKey.generate())).blob,
    )
    assert ssh_keys.is_one_of(mine, [other, mine])
    assert not ssh_keys.is_one_of(mine, [other])
    assert not ssh_keys.is_one_of(mine, [])
    assert not ssh_keys.is_one_of(b"", [other])
    assert not ssh_keys.is_one_of(mine[:-1], [mine])
