"""A reader's key behind a passphrase."""

from pathlib import Path

import pytest

from recorder.errors import ReaderKeyRefused, ReaderKeyUnusable
from recorder.seal.wrapping import ReaderKey, ReaderPublicKey

# made by openssl pkcs8 with one iteration, so that a passphrase of the rare kind could be looked for
KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGaMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAjFLA/7z/wOvwIBATAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQpXptUa0kgmpRoszshhUb1gRA4KHg
iTgvIlB/8N/omX59AwkVv8/NDSKdRUCYBh9KjnpSCV/5CSk0nhpGgOHEwySronuF
0xZAgqtXu6MugwFfyA==
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.mark.parametrize("passphrase", ["wrong 1", "wrong 907"])
def test_every_wrong_passphrase_is_refused_as_one(tmp_path: Path, passphrase: str) -> None:
    """One in some hundreds decrypts to what passes for padding: it counts as a try like any other."""
    path = tmp_path / "rssi.pem"
    path.write_text(KEY)
    path.chmod(0o600)
    assert ReaderKey.load(path, "right").public.key_id
    with pytest.raises(ReaderKeyRefused):
        ReaderKey.load(path, passphrase)


def test_a_public_key_that_cannot_be_read_is_told_from_one_that_is_none(tmp_path: Path) -> None:
    """Whoever may not open the file is told so, not that its content is wrong."""
    path = tmp_path / "backup.pem.pub"
    path.write_text("ssh-ed25519 AAAA")
    with pytest.raises(ReaderKeyUnusable, match="no public key in PEM"):
        ReaderPublicKey.load(path)
    with pytest.raises(ReaderKeyUnusable, match=r"cannot be read .*: Is a directory"):
        ReaderPublicKey.load(tmp_path)
