"""Real file systems to break: one that can be frozen, one that is nearly full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class FreezableDisk:
    """An ext4 file system on a loop device; while frozen, every write to it blocks in the kernel.

    Attributes:
        path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._frozen = False

    def freeze(self) -> None:
        """From now on writes block, and cannot be killed."""
        _run("fsfreeze", "--freeze", str(self.path))
        self._frozen = True

    def thaw(self) -> None:
        """Blocked writes go on; does nothing when it is not frozen."""
        if self._frozen:
            self._frozen = False
            _run("fsfreeze", "--unfreeze", str(self.path))


@contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """Mount such a disk for a test; skips the test where that is not permitted."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    try:
        _run("mkfs.ext4", "-q", "-F", str(image))
        _run("mount", "-o", "loop", str(image), str(mount))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk that freezes needs root, loop devices and mkfs.ext4: {error}")
    disk = FreezableDisk(mount)
    try:
        yield disk
    finally:
        disk.thaw()
        _run("umount", str(mount))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a tmpfs of ``size`` bytes for a test; skips the test where that is not permitted."""
    mount = folder / "small"
    mount.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mount))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk needs the right to mount a tmpfs: {error}")
    try:
        yield mount
    finally:
        _run("umount", str(mount))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
