"""What a technician asks for herself: bounded, answered by somebody else, and read by her."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from policy.clock import ManualClock
from policy.domain.access import UNDISCLOSED, Denial, Held
from policy.domain.ids import PersonId
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.windows import Channel, Window, WindowState
from policy.errors import Conflict, Forbidden, InvalidInput, RequestRefused
from tests.support.policy_world import World

HOUR: Final = timedelta(hours=1)


async def ask(world: World, login: str = "alice", **changes: Any) -> Window:
    """Ask for two hours on scan01 from three hours on, as *login*, with *changes*."""
    wanted: dict[str, Any] = {
        "device_name": "scan01",
        "kind": InterventionKind.REMOTE_MAINTENANCE,
        "purpose": "Refaire l'étalonnage",
        "start": world.clock.now() + 3 * HOUR,
        "end": world.clock.now() + 5 * HOUR,
        "channels": [Channel.SHELL],
    }
    return await world.services.requests.ask(world.who(login), world.id, **(wanted | changes))


async def refused(world: World, **changes: Any) -> str:
    """Return the key of the finding that a request is refused with."""
    with pytest.raises(RequestRefused) as caught:
        await ask(world, **changes)
    finding = caught.value.finding
    assert finding.next_step
    assert finding.mover
    return finding.key


async def own(world: World, start: datetime, end: datetime) -> list[Any]:
    """Return alice's openings between two instants."""
    return list(await world.services.requests.windows(world.who("alice"), world.id, since=start, until=end))


async def test_a_request_opens_nothing_and_its_requester_never_approves_it(
    world: World, clock: ManualClock
) -> None:
    """The window waits; a technician has no way to approve; a planner's approval opens it at its time."""
    window = await ask(world)
    assert (window.state, window.requested_by) == (WindowState.PLANNED, world.who("alice"))
    windows = world.services.windows
    with pytest.raises(Forbidden):
        await windows.approve(world.who("alice"), world.id, window.id, version=window.version)
    clock.advance(4 * HOUR)
    assert isinstance(await world.services.access.decide(world.request()), Denial)
    await windows.approve(world.who("denis"), world.id, window.id, version=window.version)
    assert (await world.grant()).window_id == window.id


async def test_who_invited_her_a_short_while_ago_does_not_answer_alone(world: World) -> None:
    """Four eyes: an administrator who holds her invitation cannot ask as her and approve as herself."""
    window = await ask(world)
    with pytest.raises(Forbidden, match="invited"):
        await world.services.windows.approve(world.who("dsi"), world.id, window.id, version=window.version)


async def test_a_refusal_is_read_by_whom_it_concerns(world: World, clock: ManualClock) -> None:
    """The window and its new intervention are refused for good, and her ``why`` gives the planner's words."""
    window = await ask(world)
    windows = world.services.windows
    with pytest.raises(InvalidInput):
        await windows.refuse(world.who("dsi"), world.id, window.id, version=window.version, reason=" ")
    after = await windows.refuse(
        world.who("dsi"), world.id, window.id, version=window.version, reason="Bloc opératoire en service"
    )
    assert (after.state, after.answer) == (WindowState.REFUSED, "Bloc opératoire en service")
    stored = await windows.get(world.who("dsi"), world.id, window.id)
    assert (stored.state, stored.answer) == (after.state, after.answer)
    intervention = await world.services.interventions.get(world.who("dsi"), world.id, window.intervention_id)
    assert intervention.state is InterventionState.REFUSED
    with pytest.raises(Conflict):
        await windows.approve(world.who("denis"), world.id, window.id, version=after.version)
    clock.advance(2 * HOUR)  # the fixture's own window is over
    explained = await world.services.access.explain(world.id, "alice", "scan01")
    told = {finding.key: finding for finding in explained.told if not finding.held}
    assert told["finding.O3.refused"].arguments["reason"] == "Bloc opératoire en service"


async def test_a_device_she_never_had_is_refused_as_one_that_is_not_there(world: World) -> None:
    """Invariant 7: an unknown device, one of others and a name that is none give one and the same finding."""
    await world.add_device("ris02")
    for name in ("ris02", "nothing", "../etc", "SCAN01", "", "x" * 500):
        with pytest.raises(RequestRefused) as caught:
            await ask(world, device_name=name)
        assert caught.value.finding is UNDISCLOSED


async def test_who_is_no_technician_asks_for_nothing(world: World) -> None:
    """The hospital's own people plan, and strangers are nobody."""
    for login in ("dsi", "rssi"):
        with pytest.raises(Forbidden):
            await ask(world, login)
    with pytest.raises(Forbidden):
        await world.services.requests.windows(
            PersonId("0" * 32), world.id, since=world.clock.now(), until=world.clock.now() + HOUR
        )


async def test_times_that_no_window_can_have_are_refused_in_words(world: World) -> None:
    """Backwards, over, too far and too long are findings with a next step, not faults."""
    now = world.clock.now()
    assert await refused(world, start=now + HOUR, end=now + HOUR) == "finding.S08.backwards"
    assert await refused(world, start=now - 2 * HOUR, end=now - HOUR) == "finding.S08.over"
    far = now + timedelta(days=4000)
    assert await refused(world, start=far, end=far + HOUR) == "finding.S08.far"
    assert await refused(world, end=now + 30 * HOUR) == "finding.O3.too_long"


async def test_no_more_requests_wait_than_the_limit_however_many_come_at_once(world: World) -> None:
    """Ten requests at once leave five waiting; an answer makes room for one more."""
    answers = await asyncio.gather(*(ask(world) for _ in range(10)), return_exceptions=True)
    waiting = [one for one in answers if isinstance(one, Window)]
    assert len(waiting) == 5
    assert {one.finding.key for one in answers if isinstance(one, RequestRefused)} == {"finding.O2.full"}
    first = waiting[0]
    await world.services.windows.refuse(
        world.who("dsi"), world.id, first.id, version=first.version, reason="Non"
    )
    assert (await ask(world)).state is WindowState.PLANNED


async def test_a_request_is_taken_back_by_whom_it_belongs_to(world: World) -> None:
    """She takes back what waits, by its first digits; nobody's else, nothing that is answered, no two at once."""
    window, requests = await ask(world), world.services.requests
    planned = await world.add_window(people=["alice"], approve=False)
    for digits in (planned.id, world.window.id, "", "g", "0" * 32):
        if digits == "":
            await ask(world)  # now two of hers begin so
        with pytest.raises(RequestRefused) as caught:
            await requests.withdraw(world.who("alice"), world.id, digits=digits)
        assert caught.value.finding.key == "finding.O2.no_request"
    with pytest.raises(RequestRefused):
        await requests.withdraw(world.who("bob"), world.id, digits=window.id)
    taken = await requests.withdraw(world.who("alice"), world.id, digits=window.id[:12])
    assert (taken.id, taken.state) == (window.id, WindowState.CANCELLED)
    intervention = await world.services.interventions.get(world.who("dsi"), world.id, window.intervention_id)
    assert intervention.state is InterventionState.CANCELLED
    with pytest.raises(Conflict):
        await world.services.windows.approve(world.who("denis"), world.id, window.id, version=taken.version)


async def test_asking_and_taking_back_has_its_end(world: World, clock: ManualClock) -> None:
    """Twenty requests a day are enough, taken back or not; the next day there are more."""
    for _ in range(20):
        window = await ask(world)
        await world.services.requests.withdraw(world.who("alice"), world.id, digits=window.id)
    assert await refused(world) == "finding.O2.many"
    clock.advance(timedelta(days=1, seconds=1))
    assert (await ask(world)).state is WindowState.PLANNED


async def test_a_suspended_supplier_s_people_ask_for_nothing(world: World) -> None:
    """While its access is suspended the supplier gets no window either."""
    await world.services.suppliers.suspend(world.who("rssi"), world.id, world.supplier.id, reason="incident")
    assert await refused(world) == "finding.E4.suspended"


async def test_she_asks_for_more_time_and_somebody_else_grants_it(world: World, clock: ManualClock) -> None:
    """The extension of the one open window is decided by a planner, and her session holds for longer."""
    grant = await world.grant()
    requests, windows = world.services.requests, world.services.windows
    asked = await requests.extend(
        world.who("alice"), world.id, length=timedelta(minutes=15), reason="Le test n'est pas fini"
    )
    assert (asked.devices, asked.extension.reason) == (("scan01",), "Le test n'est pas fini")
    with pytest.raises(RequestRefused) as caught:
        await requests.extend(world.who("alice"), world.id, length=HOUR, reason="encore")
    assert caught.value.finding.key == "finding.O3.asked_already"
    with pytest.raises(Forbidden):
        await windows.decide_extension(world.who("alice"), world.id, asked.extension.id, approve=True)
    decided = await windows.decide_extension(world.who("denis"), world.id, asked.extension.id, approve=True)
    assert decided.approved
    held = (await world.services.access.recheck([grant]))[grant.session_id]
    assert isinstance(held, Held)
    assert held.obligations.hard_end == grant.obligations.hard_end + timedelta(minutes=15)


async def test_more_time_is_refused_with_words_that_she_reads(world: World) -> None:
    """A refusal needs its reason; her windows tell who decided, and why."""
    asked = await world.services.requests.extend(
        world.who("alice"), world.id, length=HOUR, reason="Encore une mesure"
    )
    windows = world.services.windows
    with pytest.raises(InvalidInput):
        await windows.decide_extension(world.who("denis"), world.id, asked.extension.id, approve=False)
    await windows.decide_extension(
        world.who("denis"), world.id, asked.extension.id, approve=False, reason="Le service reprend"
    )
    now = world.clock.now()
    [opening] = await own(world, now, now + HOUR)
    [answered] = opening.extensions
    assert (answered.approved, answered.answer) == (False, "Le service reprend")
    assert opening.deciders[answered.decided_by] == "Denis Blanc"


async def test_more_time_is_for_a_window_that_is_open(world: World, clock: ManualClock) -> None:
    """No window open, two open and none named, and too late an end are told apart; so is where she works."""
    extend = world.services.requests.extend
    await world.add_device("ris02")
    other = await world.services.devices.list(world.who("dsi"), world.id)
    ris02 = next(device for device in other if device.name == "ris02")
    await world.add_window(devices=[ris02.id])

    async def key(**changes: Any) -> str:
        wanted: dict[str, Any] = {"length": HOUR, "reason": "Encore"}
        with pytest.raises(RequestRefused) as caught:
            await extend(world.who("alice"), world.id, **(wanted | changes))
        return caught.value.finding.key

    assert await key() == "finding.O3.which"
    assert await key(device_name="nothing") == "finding.O3.undisclosed"
    assert await key(device_name="scan01", length=timedelta(hours=30)) == "finding.O3.too_late"
    assert await key(device_name="scan01", length=timedelta(0)) == "finding.O3.too_late"
    await world.services.access.node_started(world.id, "n1")
    await world.services.access.session_opened(await world.grant(device="ris02"), "n1")
    there = await extend(world.who("alice"), world.id, length=HOUR, reason="Encore")
    assert there.devices == ("ris02",)
    clock.advance(8 * HOUR)
    assert await key(device_name="scan01") == "finding.O3.not_open"


async def test_her_windows_are_hers_alone(world: World) -> None:
    """Past, present and coming openings that name her are listed, whatever their state; nobody else's are."""
    now = world.clock.now()
    await world.add_window(people=["bob"])
    coming = await ask(world)
    found = await own(world, now - timedelta(days=7), now + timedelta(days=30))
    assert [one.window.id for one in found] == [world.window.id, coming.id]
    assert [one.asked_by_her for one in found] == [False, True]
    assert found[0].devices == ("scan01",)
