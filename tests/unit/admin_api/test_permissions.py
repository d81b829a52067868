"""Deny by default: a route that does not say who may call it cannot be built."""

import pytest

from admin_api.deps import PageRequest, instant
from admin_api.errors import BadCursor, BadTimestamp, Unauthenticated
from admin_api.security.permissions import GuardedRoute, roles
from admin_api.security.tokens import bearer
from admin_api.v1.schemas.base import Page


async def _endpoint() -> None:
    """Answer nothing."""


def test_a_route_without_roles_cannot_be_built() -> None:
    """Forgetting the declaration stops the process at start."""
    with pytest.raises(ValueError, match="who may call"):
        GuardedRoute("/open", _endpoint)
    with pytest.raises(ValueError, match="at least one role"):
        roles()


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer é", "Bearer " + "x" * 513])
def test_what_is_no_bearer_token_is_refused(header: str | None) -> None:
    """Another scheme, none, too long or not ASCII: no token."""
    with pytest.raises(Unauthenticated):
        bearer(header)


def test_pages_hold_each_row_once() -> None:
    """The cursor of a page is its last row; the last page has none; a row that is gone refuses."""
    rows = ["a", "b", "c", "d", "e"]

    def part(page: PageRequest) -> tuple[list[str], str | None]:
        found = Page[str].part(rows, page, str, key=str)
        return found.items, found.next

    assert part(PageRequest(2, None)) == (["a", "b"], "b")
    assert part(PageRequest(2, "b")) == (["c", "d"], "d")
    assert part(PageRequest(2, "d")) == (["e"], None)
    assert part(PageRequest(5, None)) == (rows, None)
    with pytest.raises(BadCursor):
        part(PageRequest(2, "z"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T20:00:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_instant_needs_its_offset(text: str) -> None:
    """A time of the query without an offset, that UTC has no word for, or none at all, is refused by its field's name."""
    with pytest.raises(BadTimestamp, match="from"):
        instant(text, "from")


def test_a_plus_that_became_a_space_is_read() -> None:
    """An offset whose plus sign was not escaped in the address is understood."""
    found = instant("2026-11-23T20:00:00 01:00", "at")
    assert found is not None
    assert found.isoformat() == "2026-11-23T20:00:00+01:00"
