"""Keys that sign manifests."""

import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from recorder.errors import SignatureInvalid
from recorder.seal.signing import PublicKey, SigningKey, generate_key


def test_a_generated_key_signs_and_is_private(tmp_path: Path) -> None:
    """The key file is 0600, its public half verifies what it signs, and nothing else."""
    made = generate_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    public = PublicKey.load(tmp_path / "key.pem.pub")
    assert public.key_id == made.public.key_id
    signature = SigningKey.load(tmp_path / "key.pem").sign(b"manifest")
    public.verify(signature, b"manifest")
    with pytest.raises(SignatureInvalid, match="did not sign"):
        public.verify(signature, b"manifesT")
    with pytest.raises(SignatureInvalid):
        public.verify(b"", b"manifest")


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    """A second generation leaves the first key as it is."""
    generate_key(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(SignatureInvalid, match="cannot be made"):
        generate_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read is no proof; the message says what to run."""
    generate_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(SignatureInvalid, match="chmod 600"):
        SigningKey.load(tmp_path / "key.pem")


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    """A missing file, rubbish and another kind of key each get their own sentence."""
    path = tmp_path / "key.pem"
    with pytest.raises(SignatureInvalid, match="cannot be read"):
        SigningKey.load(path)
    path.write_bytes(b"rubbish")
    path.chmod(0o600)
    with pytest.raises(SignatureInvalid, match="no unencrypted private key"):
        SigningKey.load(path)
    other = generate_private_key(SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SignatureInvalid, match="another kind"):
        SigningKey.load(path)
    with pytest.raises(SignatureInvalid, match="another kind"):
        PublicKey.from_pem(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SignatureInvalid, match="no public key"):
        PublicKey.from_pem(b"rubbish")


def test_a_signing_key_does_not_show(tmp_path: Path) -> None:
    """Text forms tell the public identifier alone, and the key does not pickle."""
    made = generate_key(tmp_path / "key.pem")
    assert repr(made) == str(made) == f"SigningKey({made.public.key_id})"
    with pytest.raises(TypeError):
        pickle.dumps(made)
