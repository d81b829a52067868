"""Every detail of a change, as the journal keeps it, has a name that people read."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from admin_api.evidence import event_of
from policy import i18n
from policy.clock import ManualClock
from tests.support.api_house import START
from tests.support.furnished import furnish
from tests.support.policy_databases import own_world


async def test_what_changes_is_named_in_both_languages(tmp_path: Path) -> None:
    """One of everything that policy keeps: below its entry no detail is called by the program's own word."""
    world = await own_world(tmp_path, ManualClock(START))
    try:
        await furnish(world)
        _, changes = await world.services.access.changes_since(0)
    finally:
        await world.services.close()
    assert len(changes) > 20
    known, words = i18n.load("ecluse"), set[str]()
    for change in changes:
        words |= set(named(event_of(change).details))
    unknown = [
        one for one in sorted(words) if not known.knows(f"fact.{one}") and not known.knows(f"detail.{one}")
    ]
    assert unknown == []


def named(details: object) -> Iterator[str]:
    """Give the names of details, of those inside of others too."""
    if isinstance(details, Mapping):
        for name, value in details.items():
            yield name
            yield from named(value)
    elif isinstance(details, list | tuple):
        for one in details:
            yield from named(one)
