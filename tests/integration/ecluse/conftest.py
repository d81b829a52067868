"""What the tests of the machine's own commands share."""

from pathlib import Path

import pytest

from tests.support.installed import install


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings file of a fresh installation."""
    return install(tmp_path / "data")
