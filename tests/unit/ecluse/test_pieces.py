"""What arrives as a tar is unpacked as plain files below its folder, or not at all."""

import io
import tarfile
from pathlib import Path

import pytest

from ecluse.errors import FileUnusable
from ecluse.pieces import unpack


def tar_of(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a tar of one entry."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, 2 if kind == tarfile.REGTYPE else 0, "/etc/passwd"
        tar.addfile(entry, io.BytesIO(b"ok"))
    return made.getvalue()


def test_files_arrive_in_their_folders(tmp_path: Path) -> None:
    """A file in a folder is there with its content."""
    unpack(iter([tar_of("keys/one.pub")]), tmp_path / "new")
    assert (tmp_path / "new/keys/one.pub").read_bytes() == b"ok"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../out", tarfile.REGTYPE),
        ("/out", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ],
)
def test_nothing_is_written_elsewhere(tmp_path: Path, name: str, kind: bytes) -> None:
    """A way out of the folder, a link and a pipe are refused."""
    with pytest.raises(FileUnusable):
        unpack(iter([tar_of(name, kind)]), tmp_path / "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]
