"""What the tests of the machine's own commands share."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.support.installed import install


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Each run of the command sends the process's log to its own standard error: take it back afterwards."""
    handlers = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings file of a fresh installation."""
    return install(tmp_path / "data")
