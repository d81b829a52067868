"""What the journal says of a session's end where two may tell it: one entry, and nothing else goes untold for that."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.evidence import OutboxIngest
from gateway.journal import GatewayJournal
from policy.clock import ManualClock
from policy.domain.access import Grant
from policy.domain.events import PolicyEvent
from policy.domain.ids import EventId, new_id
from policy.domain.sessions import correction_event, end_event
from policy.services.access import AccessService
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import JournalBroken, JournalHasIt
from recorder.store.database import Database
from recorder.trace import instants
from tests.support.policy_databases import NOON
from tests.support.policy_world import World, make_world
from tests.support.schemas import trace_schema


@dataclass(frozen=True)
class Place:
    """A hospital with its journal, a gateway's way into it."""

    world: World
    clock: ManualClock
    journal: Journal
    gateway: GatewayJournal

    @property
    def access(self) -> AccessService:
        """Return the gateways' door to policy."""
        return self.world.services.access

    async def session(self) -> Grant:
        """Open one."""
        grant = await self.world.grant()
        await self.access.session_opened(grant, "gw1")
        return grant

    async def told(self, name: str = "session") -> list[SecurityEvent]:
        """Bring what the outbox has, as a console that was just started does; return what the journal says."""
        ingest = OutboxIngest(self.world.services, self.journal, self.clock)
        await ingest.catch_up()
        page = await self.journal.entries(JournalFilters(hospital_id=self.world.id, name=name))
        return [entry.event for entry in page.entries]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """One of the test's own, in files."""
    clock = ManualClock(NOON)
    world = await make_world(f"sqlite:///{tmp_path / 'policy.sqlite'}", clock)
    url = f"sqlite:///{tmp_path / 'traces.sqlite'}"
    await trace_schema(url)
    database = Database(url)
    journal = Journal(database, node="gw1", now=clock.now)
    gateway = GatewayJournal(journal, world.id, clock)
    yield Place(world, clock, journal, gateway)
    await gateway.close()
    await database.dispose()
    await world.close()


async def test_a_gateway_drained_while_policy_was_away_is_not_told_as_interrupted(place: Place) -> None:
    """It told the journal and could not give the lease back: the next start ends that, and tells no second end."""
    grant = await place.session()
    assert await place.gateway.closed(grant, {"reason": "drain"})
    place.clock.advance(timedelta(minutes=1))
    assert len(await place.access.node_started(place.world.id, "gw1")) == 1
    for _ in range(2):
        [told] = await place.told()
        assert (told.name, told.details["reason"]) == ("session.closed", "drain")


async def test_the_end_of_what_nobody_lived_to_tell_reads_like_any_other(place: Place) -> None:
    """It names session, person, device and source where other entries do, and says why and as of when."""
    grant = await place.session()
    await place.access.node_started(place.world.id, "gw1")
    [told] = await place.told()
    assert (told.name, told.actor) == ("session.closed", "gateway")
    assert (told.session_id, told.person_id, told.device_id) == (
        grant.session_id,
        grant.person_id,
        grant.device_id,
    )
    assert (told.source, told.details["device"], told.details["reason"], told.details["node"]) == (
        grant.source,
        "scan01",
        "interrupted",
        "gw1",
    )
    assert told.details["last_known"] == instants.text(place.clock.now())


@pytest.mark.parametrize("by", ["gateway", "outbox"])
async def test_a_gateway_that_was_cut_off_for_an_hour_tells_no_second_end(place: Place, by: str) -> None:
    """Another told its session's end; its own word, when it is back, follows as a correction, once, whoever brings it."""
    grant = await place.session()
    place.clock.advance(grant.obligations.hard_end - place.clock.now() + timedelta(hours=1, seconds=1))
    await place.access.left_behind(place.world.id)
    assert [one.name for one in await place.told()] == ["session.closed"]
    told = {"bytes_out": 5}
    known = by == "gateway" and await place.gateway.closed(grant, {"reason": "policy", **told})
    for _ in range(2):
        await place.access.session_closed(place.world.id, grant.session_id, "policy", facts=told, told=known)
    presumed, corrected = await place.told()
    assert (presumed.name, presumed.details["reason"]) == ("session.closed", "interrupted")
    assert (corrected.name, corrected.details["reason"], corrected.details["bytes_out"]) == (
        "session.end_corrected",
        "policy",
        5,
    )


@pytest.mark.parametrize("journal_away", [False, True])
async def test_who_tells_another_s_end_beforehand_hides_nothing(place: Place, journal_away: bool) -> None:
    """A gateway that is taken over knows the identifiers of an end: what the session's own one says stands beside its word."""
    grant = await place.session()
    forger = GatewayJournal(place.journal, place.world.id, place.clock)
    assert await forger.closed(grant, {"reason": "left"})
    known = not journal_away and await place.gateway.closed(grant, {"reason": "cut"})
    await place.access.session_closed(place.world.id, grant.session_id, "cut", told=known)
    for _ in range(2):
        told = [(one.name, one.details["reason"]) for one in await place.told()]
        assert told == [("session.closed", "left"), ("session.end_corrected", "cut")]
    await forger.close()


async def test_no_change_goes_untold_because_somebody_took_its_identifier(place: Place) -> None:
    """Who writes an entry under the identifier of a change of policy hides it for no moment: what brings it says so."""
    async with place.world.services.database.unit_of_work(None, place.clock) as work:
        await work.emit("window.approved", place.world.id, "w", {}, {})
    _, events = await place.access.changes_since(0)
    squatted = SecurityEvent(
        name="session.closed", hospital_id=place.world.id, at=place.clock.now(), event_id=events[-1].id
    )
    await place.journal.append(squatted)
    with pytest.raises(JournalHasIt):
        await place.told()


async def test_who_takes_both_identifiers_of_an_end_beforehand_hides_nothing(place: Place) -> None:
    """Its correction has an identifier that can be guessed too: what the session's own gateway says is told all the same."""
    grant = await place.session()
    for name, of in (("session.closed", end_event), ("session.end_corrected", correction_event)):
        taken = SecurityEvent(
            name=name,
            hospital_id=place.world.id,
            at=place.clock.now(),
            session_id=grant.session_id,
            details={"reason": "left"},
            event_id=of(grant.session_id),
        )
        await place.journal.append(taken)
    known = await place.gateway.closed(grant, {"reason": "cut"})
    await place.access.session_closed(place.world.id, grant.session_id, "cut", told=known)
    for _ in range(2):
        assert [one.details["reason"] for one in await place.told()] == ["left", "left", "cut"]


async def test_a_correction_whose_answer_was_lost_is_told_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal took it and its answer was lost: policy brings it again, and so does the gateway; it is one entry."""
    grant = await place.session()
    place.clock.advance(grant.obligations.hard_end - place.clock.now() + timedelta(hours=1, seconds=1))
    await place.access.left_behind(place.world.id)
    await place.told()
    append = place.journal.append

    async def deaf(event: SecurityEvent) -> None:
        await append(event)
        raise JournalBroken("the answer was lost")

    with monkeypatch.context() as lost:
        lost.setattr(place.journal, "append", deaf)
        known = await place.gateway.closed(grant, {"reason": "policy"})
    assert not known
    await place.access.session_closed(place.world.id, grant.session_id, "policy", told=known)
    await place.gateway.close()
    for _ in range(2):
        assert [one.name for one in await place.told()] == ["session.closed", "session.end_corrected"]


async def test_rows_that_a_console_of_the_version_before_reads_keep_it_from_nothing(place: Place) -> None:
    """It keeps each change by the change's own identifier, which is no entry's yet, also where a gateway told the end."""
    grant = await place.session()
    await place.gateway.closed(grant, {"reason": "drain"})
    await place.access.node_started(place.world.id, "gw1")
    _, changes = await place.access.changes_since(0)
    for change in changes:
        told = SecurityEvent(
            name=change.name, hospital_id=change.hospital_id, at=change.at, event_id=change.id
        )
        await place.journal.ingest(change.id, told)
    assert changes[-1].name == "session.closed"


@pytest.mark.parametrize(
    ("name", "after", "told"),
    [
        ("session.closed", {"ended": "x", "reason": "cut"}, "session.closed"),
        ("session.closed", {"last_known": "2026-03-01T10:00:00", "reason": "cut"}, "session.closed"),
        ("session.closed", {"ended": "0001-01-01T00:00:00+23:00"}, "session.closed"),
        ("session.closed", ["cut"], "alarm.outbox_unreadable"),
        ("session.closed", None, "alarm.outbox_unreadable"),
        ("session.closed", {"person_id": "p" * 65}, "alarm.outbox_unreadable"),
        ("window.approved", "cut", "alarm.outbox_unreadable"),
        ("no name", {}, "alarm.outbox_unreadable"),
        ("window.approved", {"size": float("inf")}, "alarm.outbox_unreadable"),
    ],
)
async def test_a_planted_row_that_cannot_be_read_is_told_and_ends_nothing(
    place: Place, name: str, after: object, told: str
) -> None:
    """A taken-over gateway may write any row to the outbox: it stands in the journal, and so does what comes after it."""
    row = PolicyEvent(
        id=EventId(new_id()),
        hospital_id=place.world.id,
        at=place.clock.now(),
        name=name,
        actor=None,
        subject="s",
        before={},
        after=after,  # type: ignore[arg-type] # what nobody but an attacker writes
    )
    async with place.world.services.database.unit_of_work(None, place.clock) as work:
        await work.outbox.append([row])
        await work.emit("window.closed", place.world.id, "w", {}, {})
    for _ in range(2):
        [planted] = await place.told(told)
        assert await place.told("window.closed")
    if isinstance(after, dict) and told == "session.closed":
        assert {key: planted.details[key] for key in after} == after
