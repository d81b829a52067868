"""How long recordings are kept, holds and erasures: what one person alone cannot do, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from policy.clock import ManualClock
from policy.domain.erasures import Erasure, ErasureState
from policy.domain.holds import Hold, Recorded, holding
from policy.domain.ids import PersonId
from policy.domain.people import Role
from policy.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.support.policy_world import World

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def recorded(world: World, session_id: str = "s1", person: str = "alice") -> Recorded:
    """A session of yesterday, as the catalogue tells of it."""
    opened = world.clock.now() - DAY
    return Recorded(
        session_id=session_id,
        person_id=world.who(person),
        device_id=world.device.id,
        intervention_id=world.window.intervention_id,
        opened_at=opened,
        closed_at=opened + timedelta(hours=1),
    )


async def nobody(_hold: Hold, _person: PersonId) -> bool:
    """No session of hers is covered."""
    return False


async def hold_device(world: World) -> Hold:
    """Hold what is done on scan01."""
    return await world.services.holds.place(
        world.who("rssi"), world.id, case="Plainte 1", reason="Parquet", device_id=world.device.id
    )


async def ask(world: World, session_id: str = "s1") -> Erasure:
    """Let the security referent ask for an erasure."""
    return await world.services.erasures.ask(
        world.who("rssi"), world.id, recorded(world, session_id), reason="tiers filmé"
    )


async def test_longer_holds_at_once_and_shorter_by_two_persons_a_week_later(
    world: World, clock: ManualClock
) -> None:
    """A shortening waits for another person, then for a week; until then nothing falls due by it."""
    service, dsi, denis = world.services.retention, world.who("dsi"), world.who("denis")
    assert (await service.rule(world.id)).recordings_days == 183
    longer = await service.ask(dsi, world.id, recordings_days=300)
    assert (await service.rule(world.id)) == longer
    asked = await service.ask(dsi, world.id, recordings_days=100, reason="Avis du DPO")
    assert (await service.rule(world.id)).recordings_days == 300
    with pytest.raises(Forbidden, match="four eyes"):
        await service.approve(dsi, world.id, asked.id)
    await service.approve(denis, world.id, asked.id)
    clock.advance(WEEK - timedelta(seconds=1))
    assert (await service.rule(world.id)).recordings_days == 300
    clock.advance(timedelta(seconds=1))
    assert (await service.rule(world.id)).recordings_days == 100
    _, events = await world.services.access.changes_since(0)
    told = [one for one in events if one.name.startswith("retention.")]
    assert [one.name for one in told] == ["retention.set", "retention.shortening_asked", "retention.set"]
    assert told[1].after["reason"] == "Avis du DPO"
    assert told[2].after["approved_by"] == denis


async def test_what_was_decided_later_overtakes_a_shortening_to_come(
    world: World, clock: ManualClock
) -> None:
    """A shortening approved before somebody lengthened is not in force after, and one can be taken back in time."""
    service, dsi, denis = world.services.retention, world.who("dsi"), world.who("denis")
    asked = await service.ask(dsi, world.id, recordings_days=120, reason="essai")
    await service.approve(denis, world.id, asked.id)
    await service.ask(dsi, world.id, recordings_days=200)
    clock.advance(2 * WEEK)
    assert (await service.rule(world.id)).recordings_days == 200
    asked = await service.ask(dsi, world.id, recordings_days=120, reason="essai")
    await service.approve(denis, world.id, asked.id)
    await service.refuse(world.who("rssi"), world.id, asked.id, reason="enquête")
    clock.advance(2 * WEEK)
    assert (await service.rule(world.id)).recordings_days == 200
    with pytest.raises(Conflict):
        await service.refuse(world.who("rssi"), world.id, asked.id, reason="encore")


@pytest.mark.parametrize(
    ("days", "reason", "decider", "field"),
    [
        (91, "motif", "Directrice", "recordings_days"),
        (3661, "motif", "Directrice", "recordings_days"),
        (182, "", "", "reason"),
        (367, "", "Directrice", "reason"),
        (367, "motif", "", "decider"),
    ],
)
async def test_the_floor_and_the_reasons(
    world: World, days: int, reason: str, decider: str, field: str
) -> None:
    """Below three months never; below six and above twelve with a reason; above twelve with who decides."""
    with pytest.raises(InvalidInput) as refused:
        await world.services.retention.ask(
            world.who("dsi"), world.id, recordings_days=days, reason=reason, decider=decider
        )
    assert refused.value.field == field


async def test_who_was_just_invited_makes_no_second_pair_of_eyes(world: World) -> None:
    """An administrator who makes herself a second account approves nothing with it: neither shortening nor erasure."""
    services, dsi = world.services, world.who("dsi")
    mine = await services.people.create(
        dsi,
        world.id,
        login="mine",
        full_name="Mine Lenoir",
        email="mine.lenoir@hopital.example",
        roles=frozenset({Role.SECURITY, Role.ADMINISTRATOR}),
    )
    await services.people.invite(dsi, world.id, mine.id)
    asked = await services.retention.ask(dsi, world.id, recordings_days=100, reason="essai")
    with pytest.raises(Forbidden, match="invited"):
        await services.retention.approve(mine.id, world.id, asked.id)
    erasure = await services.erasures.ask(mine.id, world.id, recorded(world), reason="essai")
    with pytest.raises(Forbidden, match="invited"):
        await services.erasures.decide(dsi, world.id, erasure.id, recorded(world), approve=True, answer="oui")


async def test_roles_of_retention_holds_and_erasures(world: World) -> None:
    """Planners and technicians touch none of it; an administrator alone neither holds nor asks for an erasure."""
    services, alice, dsi = world.services, world.who("alice"), world.who("dsi")
    with pytest.raises(Forbidden):
        await services.retention.ask(alice, world.id, recordings_days=300)
    for who in (alice, dsi):
        with pytest.raises(Forbidden):
            await services.holds.place(who, world.id, case="c", reason="r", session_id="s1")
        with pytest.raises(Forbidden):
            await services.erasures.ask(who, world.id, recorded(world), reason="r")
    hold = await hold_device(world)
    with pytest.raises(Forbidden):
        await services.holds.lift(dsi, world.id, hold.id, reason="r", concerned=nobody)


async def test_a_hold_keeps_what_it_covers_and_a_week_after_it_was_lifted(
    world: World, clock: ManualClock
) -> None:
    """It beats an erasure, also one that was asked for before; lifted, it keeps for a week more."""
    services, rssi = world.services, world.who("rssi")
    asked = await ask(world)
    hold = await hold_device(world)
    with pytest.raises(Conflict, match="Plainte 1"):
        await ask(world, "s2")
    with pytest.raises(Conflict, match="a hold beats erasure"):
        await services.erasures.decide(
            world.who("denis"), world.id, asked.id, recorded(world), approve=True, answer="oui"
        )
    await services.holds.lift(rssi, world.id, hold.id, reason="classée", concerned=nobody)
    with pytest.raises(Conflict, match="lifted already"):
        await services.holds.lift(rssi, world.id, hold.id, reason="encore", concerned=nobody)
    assert holding(await services.holds.standing(world.id), recorded(world), clock.now())
    clock.advance(WEEK)
    assert await services.holds.standing(world.id) == []
    done = await services.erasures.decide(
        world.who("denis"), world.id, asked.id, recorded(world), approve=True, answer="oui"
    )
    assert [one.id for one in await services.erasures.approved(world.id)] == [done.id]


async def test_whom_a_hold_concerns_does_not_lift_it(world: World) -> None:
    """Neither who is named by it, nor who has a session that it covers."""
    services, rssi = world.services, world.who("rssi")

    async def concerned(_hold: Hold, person: PersonId) -> bool:
        return person == rssi

    covering = await hold_device(world)
    named = await services.holds.place(rssi, world.id, case="c", reason="r", person_id=rssi)
    for hold, asks in ((covering, concerned), (named, nobody)):
        with pytest.raises(Forbidden, match="covers sessions of yours"):
            await services.holds.lift(rssi, world.id, hold.id, reason="r", concerned=asks)


async def test_a_hold_says_what_it_is_about(world: World) -> None:
    """No criterion, an empty period, or an unknown device is refused by its field."""
    place, rssi, now = world.services.holds.place, world.who("rssi"), world.clock.now()
    with pytest.raises(InvalidInput, match="say what is held"):
        await place(rssi, world.id, case="c", reason="r")
    with pytest.raises(InvalidInput, match="later"):
        await place(rssi, world.id, case="c", reason="r", since=now, until=now)
    with pytest.raises(NotFound):
        await place(rssi, world.id, case="c", reason="r", device_id="0" * 32)


async def test_an_erasure_takes_two_persons_and_not_whose_session_it_is(
    world: World, clock: ManualClock
) -> None:
    """Who asks does not approve; nobody asks for or approves her own; what waited a month is asked for again."""
    services, rssi, denis = world.services, world.who("rssi"), world.who("denis")
    with pytest.raises(Forbidden, match="her own"):
        await services.erasures.ask(rssi, world.id, recorded(world, person="rssi"), reason="r")
    asked = await ask(world)
    with pytest.raises(Conflict, match="already"):
        await ask(world)
    with pytest.raises(Forbidden, match="four eyes"):
        await services.erasures.decide(rssi, world.id, asked.id, recorded(world), approve=True, answer="oui")
    own = await services.erasures.ask(rssi, world.id, recorded(world, "s2", "denis"), reason="r")
    with pytest.raises(Forbidden, match="her own"):
        await services.erasures.decide(
            denis, world.id, own.id, recorded(world, "s2", "denis"), approve=True, answer="oui"
        )
    assert await services.erasures.approved(world.id) == []
    with pytest.raises(Conflict, match="nobody approved"):
        await services.erasures.done(world.id, asked.id)
    clock.advance(31 * DAY)
    with pytest.raises(Conflict, match="ask again"):
        await services.erasures.decide(denis, world.id, asked.id, recorded(world), approve=True, answer="oui")


async def test_of_two_who_decide_at_once_one_decides(world: World) -> None:
    """Whoever comes second waits for the first one's word, and is told: no refusal is written over, none is lost."""
    services, denis, dsi = world.services, world.who("denis"), world.who("dsi")
    asked = await ask(world)
    rule = await services.retention.ask(
        world.who("rssi"), world.id, recordings_days=100, reason="place", decider=""
    )
    decide = partial(
        services.erasures.decide, hospital_id=world.id, erasure_id=asked.id, recorded=recorded(world)
    )
    async with services.database.unit_of_work(dsi, world.clock) as work:
        # what a refusal does between its reading and its end
        one = await work.erasures.get(world.id, asked.id, hold=True)
        other = await work.retention_rules.get(world.id, rule.id, hold=True)
        late = [
            asyncio.create_task(decide(denis, approve=True, answer="oui")),
            asyncio.create_task(services.retention.approve(denis, world.id, rule.id)),
        ]
        done, _ = await asyncio.wait(late, timeout=0.3)
        assert not done
        refused = replace(one, state=ErasureState.REFUSED, decided_by=dsi, decided_at=world.clock.now())
        await work.erasures.update(refused)
        await work.retention_rules.update(replace(other, ended_at=world.clock.now()))
    ends = await asyncio.gather(*late, return_exceptions=True)
    assert [type(end) for end in ends] == [Conflict, Conflict]
    assert await services.erasures.approved(world.id) == []
    [left] = [one for one in await services.retention.history(dsi, world.id) if one.id == rule.id]
    assert left.state(world.clock.now()) == "ended"


async def test_what_is_recorded_after_a_hold_was_lifted_is_not_under_it(
    world: World, clock: ManualClock
) -> None:
    """The week after a lift keeps what was covered before; sessions opened since are nobody's case."""
    hold = await hold_device(world)
    clock.advance(DAY)
    await world.services.holds.lift(world.who("rssi"), world.id, hold.id, reason="classée", concerned=nobody)
    clock.advance(3 * DAY)
    standing = await world.services.holds.standing(world.id)
    before = replace(recorded(world), opened_at=clock.now() - 4 * DAY)
    assert [one.id for one in holding(standing, before, clock.now())] == [hold.id]
    assert holding(standing, recorded(world), clock.now()) == ()
