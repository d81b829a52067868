"""A real OpenSSH server for a test: the product's own demonstration device, one a test."""

import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ecluse.demo.device import DemoDevice


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[DemoDevice]:
    """Give a running device named scan01 with the account maint, and end it with all its sessions."""
    running = await DemoDevice.start(tmp_path / "scan01", "scan01")
    try:
        yield running
    finally:
        await running.stop()


def unused_uid() -> int:
    """Return a high user number that no account of this machine has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(64_999, 60_000, -1) if uid not in taken)
