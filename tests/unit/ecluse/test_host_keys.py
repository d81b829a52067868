"""What is told of the gateway's host keys to people who have never connected."""

from pathlib import Path

import asyncssh

from ecluse.host_keys import host_fingerprints, make_host_keys


def test_the_fingerprints_are_those_that_a_client_asks_about(tmp_path: Path) -> None:
    """Each host key is told as ssh shows it; a key whose public half is away or broken is left out."""
    make_host_keys(tmp_path)
    keys = [tmp_path / "host_ed25519", tmp_path / "host_ecdsa"]
    assert host_fingerprints(keys) == tuple(asyncssh.read_private_key(key).get_fingerprint() for key in keys)
    (tmp_path / "host_ecdsa.pub").write_text("ecdsa-sha2-nistp256\n")
    assert len(host_fingerprints([*keys, tmp_path / "absent"])) == 1
