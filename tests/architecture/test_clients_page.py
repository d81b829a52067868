"""The page of clients tells of the tests that there are, and of no others."""

from pathlib import Path

import pytest

from tests.support.matrix import cells, told

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
TESTS = Path(__file__).parents[1]


def test_the_page_tells_what_is_tried(request: pytest.FixtureRequest) -> None:
    """Each cell of the page has a test, and each marked test its cell: ``make clients`` writes it again."""
    chosen = request.config.option
    proving = {path for path in TESTS.rglob("test_*.py") if "mark.client(" in path.read_text()}
    if chosen.keyword or chosen.markexpr or not proving <= {item.path for item in request.session.items}:
        pytest.skip("only a run that holds every test of a client knows them")
    tried = {(one.program, one.factor, one.channel) for item in request.session.items for one in cells(item)}
    assert told(PAGE.read_text()) == tried
