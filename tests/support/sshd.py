"""A real OpenSSH server for a test: the product's own demonstration device, one a test."""

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
