"""Decisions on one snapshot, and the leases of open sessions."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, Held, RevocationScope
from policy.domain.ids import HospitalId, PersonId, SessionId
from policy.domain.sessions import SessionState
from policy.domain.windows import Channel, Recurrence
from policy.errors import Conflict, NotFound
from tests.support.policy_world import World
from tests.support.statements import statements


def failed(answer: object) -> list[str]:
    """Return the codes of the rules that failed."""
    assert isinstance(answer, Denial)
    return [finding.code for finding in answer.failed]


async def test_a_planned_technician_gets_a_grant(world: World) -> None:
    """Within an approved window the grant carries what the gateway needs to dial, and no more channels."""
    grant = await world.grant()
    assert (grant.person_login, grant.device_name, grant.account_name) == ("alice", "scan01", "maint")
    assert grant.host_keys == world.device.host_keys
    assert grant.obligations.hard_end == world.clock.now() + timedelta(minutes=90)
    assert grant.obligations.channels == frozenset(Channel)


async def test_a_decision_takes_one_query_and_so_does_every_live_session_together(world: World) -> None:
    """However many windows and sessions there are, a decision or a recheck of all costs one query."""
    for hour in range(1, 6):
        await world.add_window(opens_in=timedelta(hours=3 * hour))
    grant = await world.grant()
    with statements(world.services.database) as sent:
        await world.services.access.decide(world.request())
        assert len(sent) == 1
        sent.clear()
        await world.services.access.recheck([grant, await world.grant()])
        assert len(sent) == 2
        sent.clear()
        await world.services.access.openings(world.id, world.who("alice"))
        assert len(sent) == 1


async def test_a_person_without_a_window_learns_nothing_of_the_device(world: World) -> None:
    """For bob, a device he has no window on and one that does not exist are refused alike, undisclosed."""
    known = await world.services.access.decide(world.request("bob", "scan01"))
    unknown = await world.services.access.decide(world.request("bob", "no-such-device"))
    assert isinstance(known, Denial)
    assert isinstance(unknown, Denial)
    assert not known.disclose
    assert not unknown.disclose


async def test_an_unknown_person_is_not_decided_on(world: World) -> None:
    """A person id of nowhere is NotFound, not a refusal that a caller might mistake for an answer."""
    world.people["ghost"] = world.people["alice"]
    request = world.request()
    stranger = type(request)(
        hospital_id=request.hospital_id,
        person_id=PersonId("f" * 32),
        device_name="scan01",
        account_name=None,
        source="127.0.0.1",
        factors=request.factors,
    )
    with pytest.raises(NotFound):
        await world.services.access.decide(stranger)


async def test_outside_the_window_the_next_opening_is_named(world: World, clock: ManualClock) -> None:
    """An hour after the window O3 fails, with the next approved occurrence."""
    later = await world.add_window(opens_in=timedelta(hours=12))
    clock.advance(timedelta(hours=3))
    answer = await world.services.access.decide(world.request())
    assert failed(answer) == ["O3"]
    assert isinstance(answer, Denial)
    assert answer.next_opening == (later.occurrences[0].start, later.occurrences[0].end)


async def test_a_window_on_a_group_reaches_its_devices_and_the_menu_lists_them(world: World) -> None:
    """A window that names a group opens each device of the group, and no other."""
    await world.add_device("ris02", groups=["dossiers"])
    await world.add_device("pacs03", groups=["archives"])
    await world.add_window(people=["bob"], devices=[], groups=["dossiers"])
    openings = await world.services.access.openings(world.id, world.who("bob"))
    assert [opening.device_name for opening in openings] == ["ris02"]
    assert isinstance(await world.services.access.decide(world.request("bob", "ris02")), Grant)
    assert failed(await world.services.access.decide(world.request("bob", "pacs03")))[:1] == ["O3"]


async def test_a_daily_window_opens_every_day_for_months(world: World, clock: ManualClock) -> None:
    """Of some four hundred stored occurrences, the one that is open is found a fortnight later too."""
    local = clock.now().astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None, minute=0)
    daily = Recurrence(start=local, duration=timedelta(minutes=45), rule="FREQ=DAILY")
    await world.add_window(people=["bob"], recurrence=daily)
    for _ in range(2):
        assert isinstance(await world.services.access.decide(world.request("bob")), Grant)
        clock.advance(timedelta(minutes=20))
        shut = await world.services.access.decide(world.request("bob"))
        assert failed(shut) == ["O3"]
        assert isinstance(shut, Denial)
        assert shut.next_opening is not None
        clock.advance(timedelta(days=14, minutes=-20))


async def test_explain_tells_every_rule_for_a_moment_to_come(world: World, clock: ManualClock) -> None:
    """`why` judges the instant asked about, and leaves the source to the log-in unless it is given."""
    explain = world.services.access.explain
    now = await explain(world.id, "alice", "scan01")
    assert now.allowed
    tomorrow = await explain(world.id, "alice", "scan01", at=clock.now() + timedelta(days=1))
    assert not tomorrow.allowed
    elsewhere = await explain(world.id, "alice", "scan01", source="203.0.113.9")
    assert [finding.code for finding in elsewhere.findings if not finding.held] == ["C2"]
    with pytest.raises(NotFound):
        await explain(world.id, "nobody", "scan01")


@pytest.mark.parametrize(
    "what", ["supplier", "person", "device", "account", "window", "shorten", "intervention"]
)
async def test_what_is_withdrawn_ends_the_live_session(world: World, what: str) -> None:
    """Suspending, cancelling, shortening or holding anything a session hangs on denies it at the next recheck."""
    grant = await world.grant()
    access, dsi, here = world.services.access, world.who("dsi"), world.id
    assert isinstance((await access.recheck([grant]))[grant.session_id], Held)
    match what:
        case "supplier":
            await world.services.suppliers.suspend(dsi, here, world.supplier.id, reason="incident")
        case "person":
            await world.services.people.suspend(dsi, here, world.who("alice"), reason="départ")
        case "device":
            await world.services.devices.suspend(dsi, here, world.device.id, reason="isolée")
        case "account":
            await world.services.devices.suspend_account(dsi, here, world.account.id, reason="fuite")
        case "window":
            await world.services.windows.cancel(dsi, here, world.window.id, reason="inutile")
        case "shorten":
            await world.services.windows.shorten(dsi, here, world.window.id, end=world.clock.now())
        case "intervention":
            await world.services.interventions.hold(dsi, here, world.window.intervention_id, reason="attente")
    assert isinstance((await access.recheck([grant]))[grant.session_id], Denial)
    assert isinstance(await access.decide(world.request()), Denial)


@pytest.mark.parametrize("scope", list(RevocationScope))
async def test_a_cut_reaches_its_scope_and_nothing_else(
    world: World, clock: ManualClock, scope: RevocationScope
) -> None:
    """A cut ends the sessions it names; one of another person on another device goes on unless all are cut."""
    other_device = await world.add_device("ris02")
    await world.add_window(people=["bob"], devices=[other_device.id])
    mine, other = await world.grant(), await world.grant("bob", "ris02")
    access = world.services.access
    await access.session_opened(mine, "gw1")
    await access.session_opened(other, "gw1")
    target = {
        RevocationScope.SESSION: mine.session_id,
        RevocationScope.PERSON: world.who("alice"),
        RevocationScope.SUPPLIER: world.supplier.id,
        RevocationScope.DEVICE: world.device.id,
        RevocationScope.ALL: "",
    }[scope]
    await world.services.revocations.cut(world.who("rssi"), world.id, scope, target, "soupçon")
    answers = await access.recheck([mine, other])
    assert isinstance(answers[mine.session_id], Denial)
    spared = scope not in {RevocationScope.ALL, RevocationScope.SUPPLIER}
    assert isinstance(answers[other.session_id], Held) is spared
    clock.advance(timedelta(seconds=1))
    assert isinstance(await access.decide(world.request()), Grant), "a cut ends sessions, it bars nobody"


async def test_a_cut_reaches_a_session_whose_gateway_clock_is_ahead(world: World, clock: ManualClock) -> None:
    """A grant dated five seconds ahead of the console's clock does not escape the cut."""
    clock.advance(timedelta(seconds=5))
    grant = await world.grant()
    await world.services.access.session_opened(grant, "gw1")
    clock.advance(timedelta(seconds=-5))
    made = await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "soupçon"
    )
    assert (made.revocation.at, made.sessions) == (grant.issued_at, 1)
    assert isinstance((await world.services.access.recheck([grant]))[grant.session_id], Denial)


async def test_a_cut_between_decision_and_opening_keeps_the_session_shut(world: World) -> None:
    """A grant that was cut before its session opened does not open."""
    grant = await world.grant()
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "soupçon"
    )
    with pytest.raises(Conflict):
        await world.services.access.session_opened(grant, "gw1")
    assert await world.services.access.sessions(world.id) == []


async def test_the_session_limit_holds_however_many_knock_at_once(world: World) -> None:
    """Of ten sessions of one person opened at once, exactly as many open as her limit allows."""
    grants = [await world.grant() for _ in range(10)]
    answers = await asyncio.gather(
        *(world.services.access.session_opened(grant, "gw1") for grant in grants), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(answers) - len(refused) == 5
    assert all(isinstance(answer, Conflict) for answer in refused)
    assert failed(await world.services.access.decide(world.request())) == ["X35"]


async def test_sessions_that_end_together_share_a_transaction(world: World, clock: ManualClock) -> None:
    """Five sessions closed at once take two statements, each its own reason; one closed again keeps its first."""
    access = world.services.access
    grants = [await world.grant() for _ in range(5)]
    for grant in grants:
        await access.session_opened(grant, "gw1")
    with statements(world.services.database) as sent:
        await asyncio.gather(
            *(
                access.session_closed(grant.hospital_id, grant.session_id, f"reason{number}")
                for number, grant in enumerate(grants)
            )
        )
    assert len([statement for statement in sent if statement.startswith("UPDATE")]) <= 2
    ended = clock.now()
    clock.advance(timedelta(minutes=1))
    await access.session_closed(world.id, grants[0].session_id, "later")
    for number, grant in enumerate(grants):
        found = await access.session(world.id, grant.session_id)
        assert (found.end_reason, found.closed_at) == (f"reason{number}", ended)


async def test_a_session_whose_gateway_is_silent_is_lost_and_counts_no_more(
    world: World, clock: ManualClock
) -> None:
    """After fifteen seconds without a sign of life a session is lost; a beat brings it back; closing ends it."""
    access = world.services.access
    grant = await world.grant()
    await access.session_opened(grant, "gw1")
    assert (await access.session(world.id, grant.session_id)).state is SessionState.LIVE
    clock.advance(timedelta(seconds=16))
    assert (await access.session(world.id, grant.session_id)).state is SessionState.LOST
    await access.heartbeat("gw1")
    assert (await access.session(world.id, grant.session_id)).state is SessionState.LIVE
    await access.session_closed(grant.hospital_id, grant.session_id, "exit")
    await access.session_closed(grant.hospital_id, grant.session_id, "idle")
    ended = await access.session(world.id, grant.session_id)
    assert (ended.state, ended.end_reason, ended.closed_at) == (SessionState.ENDED, "exit", clock.now())
    assert await access.sessions(world.id) == []
    assert len(await access.sessions(world.id, ended_since=clock.now())) == 1
    with pytest.raises(NotFound):
        await access.session(world.id, SessionId("0" * 32))


async def test_a_gateway_that_starts_again_ends_what_it_left_open(world: World, clock: ManualClock) -> None:
    """Sessions of a killed gateway end as of its last sign of life when it comes back, and no other gateway's do.

    However many there are: a thousand more questions would take longer than policy is waited for, at each start again.
    """
    access = world.services.access
    killed, second, other = await world.grant(), await world.grant(), await world.grant()
    await access.session_opened(killed, "gw1")
    await access.session_opened(second, "gw1")
    await access.session_opened(other, "gw2")
    clock.advance(timedelta(seconds=3))
    await access.heartbeat("gw1")
    alive = clock.now()
    clock.advance(timedelta(seconds=40))
    with statements(world.services.database) as sent:
        both = await access.node_started(world.id, "gw1")
    assert len([one for one in sent if one.startswith("SELECT") and "sessions" in one]) == 1
    assert {left.session_id for left in both} == {killed.session_id, second.session_id}
    left = await access.session(world.id, killed.session_id)
    assert left in both
    assert (left.state, left.end_reason, left.closed_at) == (SessionState.ENDED, "interrupted", alive)
    assert (await access.session(world.id, other.session_id)).closed_at is None
    assert await access.node_started(world.id, "gw1") == []


async def test_what_a_gateway_that_does_not_come_back_held_is_ended_by_another(
    world: World, clock: ManualClock
) -> None:
    """After an hour of silence, beyond its hard end, once; not before, and not while its gateway still beats."""
    access, grant = world.services.access, await world.grant()
    await access.session_opened(grant, "gw1")
    clock.advance(grant.obligations.hard_end - clock.now() - timedelta(seconds=1))
    assert await access.left_behind(world.id) == []
    await access.heartbeat("gw1")
    alive = clock.now()
    clock.advance(timedelta(hours=1))
    assert await access.left_behind(world.id) == []
    clock.advance(timedelta(seconds=1))
    assert await access.left_behind(HospitalId("0" * 32)) == []
    # that one begins says nothing of the others: policy may just be back, and they as silent as itself was
    assert await access.node_started(world.id, "gw2") == []
    [left] = await access.left_behind(world.id)
    assert (left.session_id, left.end_reason, left.closed_at) == (grant.session_id, "interrupted", alive)
    assert await access.left_behind(world.id) == []


async def test_the_sessions_of_somebody_renewed_end(world: World) -> None:
    """Whoever found a lost telephone may be in a session: renewing its owner denies it at the next recheck."""
    access, grant = world.services.access, await world.grant()
    await access.session_opened(grant, "node1")
    assert isinstance((await access.recheck([grant]))[grant.session_id], Held)
    await world.services.people.renew(
        world.who("dsi"), world.id, world.who("alice"), reason="téléphone perdu"
    )
    answer = (await access.recheck([grant]))[grant.session_id]
    assert isinstance(answer, Denial)
