"""The page of clients tells of the tests that there are, and of no others."""

from pathlib import Path

import pytest

from tests.support.matrix import cells, told

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def test_the_page_tells_what_is_tried(request: pytest.FixtureRequest) -> None:
    """Each cell of the page has a test, and each marked test its cell: ``make clients`` writes it again."""
    if len(request.session.items) < 1000:
        pytest.skip("only a whole run knows every test")
    tried = {(one.program, one.factor, one.channel) for item in request.session.items for one in cells(item)}
    assert told(PAGE.read_text()) == tried
