"""One house for all tests of a module: each works with names of its own."""

from collections.abc import Iterator

import pytest

from tests.support.api_house import House, open_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The fixture hospital behind its real API."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened
