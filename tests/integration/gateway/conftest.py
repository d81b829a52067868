"""What most of these tests stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bastion import Bastion, running_bastion


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path) as running:
        yield running
