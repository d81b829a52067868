"""One house for all tests of a module: each works with names of its own."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api_house import House, open_house
from tests.support.browser import driver
from tests.support.own_machine import Desk


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fixture hospital behind its real API."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="module")
def chrome() -> Iterator[httpx.Client]:
    """A browser without windows yet."""
    with driver() as client:
        yield client


@pytest.fixture
def desks(house: House, tmp_path: Path) -> tuple[Desk, Desk, Desk]:
    """The machines of dsi, denis and rssi."""
    dsi, denis, rssi = (Desk(house, tmp_path, login) for login in ("dsi", "denis", "rssi"))
    return dsi, denis, rssi
