"""The zip of an evidence package: plain names, the same bytes each time, nothing held."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from recorder.proof.package import INDEX, UNKNOWN, Package
from recorder.seal.signing import SigningKey, generate_key

FACTS = {"hospital_id": "a" * 32, "made_at": "2026-03-29T00:00:00.000000Z", "made_by": "b", "reason": "c"}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """A console's key."""
    return generate_key(tmp_path / "checkpoint.pem")


def made(key: SigningKey) -> bytes:
    """A small package."""
    package = Package()
    pieces = [*package.add("a.txt", [b"un", b"deux"]), *package.close(FACTS, ["s"], key)]
    return b"".join(pieces)


def test_the_same_content_is_the_same_file_and_the_index_tells_all_of_it(key: SigningKey) -> None:
    """No date and no order of a disk is in it; name, size and digest of each file are in the index."""
    assert made(key) == made(key)
    with zipfile.ZipFile(io.BytesIO(made(key))) as file:
        index = json.loads(file.read(INDEX))
        assert file.testzip() is None
    told = {"name": "a.txt", "bytes": 6, "sha256": hashlib.sha256(b"undeux").hexdigest()}
    assert (index["files"], index["signer"], index["sessions"]) == ([told], key.public.key_id, ["s"])


@pytest.mark.parametrize("name", ["../x", "/x", "a\\b", "a b", ".x", "A.TXT", "é", "", "a/../b", "x" * 200])
def test_a_name_that_is_not_plain_or_there_already_is_refused(name: str) -> None:
    """No program unpacks it elsewhere, and none shows another file for it."""
    package = Package()
    list(package.add("a.txt", []))
    with pytest.raises(ValueError, match="cannot be a file"):
        list(package.add(name, []))


def test_a_file_of_any_length_passes_through(key: SigningKey) -> None:
    """What goes in comes out while it goes in; a length that nobody knew before fits, beyond 4 GiB too."""
    most = 0

    def pieces() -> Iterator[bytes]:
        for number in range(200):
            yield hashlib.sha256(str(number).encode()).digest() * 1000

    package, out = Package(), io.BytesIO()
    with patch("zipfile.ZIP64_LIMIT", 100_000):
        for piece in package.add("long.bin", pieces(), expected=UNKNOWN, packed=True):
            most = max(most, len(piece))
            out.write(piece)
        out.write(b"".join(package.close(FACTS, [], key)))
    assert most < 100_000
    with zipfile.ZipFile(out) as file:
        assert file.read("long.bin") == b"".join(pieces())


def test_a_folder_gives_its_plain_files_alone(tmp_path: Path) -> None:
    """A link, a hidden file and a name that acts stay where they are."""
    folder = tmp_path / "trace"
    folder.mkdir()
    for name in ("manifest.json", ".hidden", "a\nb"):
        (folder / name).write_text(name)
    (folder / "link.ecl").symlink_to("/etc/passwd")
    package = Package()
    sent = b"".join(package.add_trace(folder, "s" * 32))
    assert b"manifest.json" in sent
    assert b"hidden" not in sent
    assert b"link" not in sent
