"""Planning, held by two people."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, Held
from policy.domain.ids import OccurrenceId, SiteId, new_id
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.people import Role
from policy.domain.suppliers import Site
from policy.domain.windows import Channel, IdleRule, Recurrence, WindowState
from policy.errors import AmbiguousLocalTime, Conflict, Forbidden, InvalidInput, NotFound
from tests.support.policy_world import World

PARIS: Final = ZoneInfo("Europe/Paris")
HOUR: Final = timedelta(hours=1)
EIGHT: Final = datetime(2026, 3, 4, 8, 0)  # noqa: DTZ001 - wall time


async def plan(world: World, **changes: Any) -> Any:
    """Plan a window for alice on scan01, an hour from now for two hours, with *changes*."""
    wanted: dict[str, Any] = {
        "purpose": "Révision",
        "people": [world.who("alice")],
        "devices": [world.device.id],
        "channels": [Channel.SHELL],
        "kind": InterventionKind.REMOTE_MAINTENANCE,
        "supplier_id": world.supplier.id,
        "start": world.clock.now() + HOUR,
        "end": world.clock.now() + 3 * HOUR,
    }
    return await world.services.windows.plan(world.who("dsi"), world.id, **(wanted | changes))


async def test_nobody_approves_her_own_window(world: World) -> None:
    """The requester's approval is Forbidden; another planner's lets the window and its intervention through."""
    windows = world.services.windows
    window = (await plan(world)).window
    assert (window.state, window.approved_by) == (WindowState.PLANNED, None)
    with pytest.raises(Forbidden):
        await windows.approve(world.who("dsi"), world.id, window.id, version=window.version)
    approved = await windows.approve(world.who("denis"), world.id, window.id, version=window.version)
    assert (approved.state, approved.approved_by) == (WindowState.APPROVED, world.who("denis"))
    intervention = await world.services.interventions.get(world.who("dsi"), world.id, window.intervention_id)
    assert intervention.state is InterventionState.APPROVED
    with pytest.raises(Conflict):
        await windows.approve(world.who("denis"), world.id, window.id, version=approved.version)


async def test_a_planned_window_opens_nothing(world: World, clock: ManualClock) -> None:
    """Before its approval a window denies like no window, with O3."""
    await plan(world, people=[world.who("bob")])
    clock.advance(HOUR + HOUR / 2)
    answer = await world.services.access.decide(world.request("bob"))
    assert isinstance(answer, Denial)
    assert [finding.code for finding in answer.failed] == ["O3"]


async def test_what_is_approved_is_what_was_looked_at(world: World) -> None:
    """A window moved after the approver looked at it is not approved by her click: the version differs."""
    window = (await plan(world)).window
    late: dict[str, Any] = {"start": world.clock.now() + 5 * HOUR, "end": world.clock.now() + 6 * HOUR}
    await world.services.windows.move(world.who("dsi"), world.id, window.id, version=window.version, **late)
    with pytest.raises(Conflict):
        await world.services.windows.approve(world.who("denis"), world.id, window.id, version=window.version)


async def test_a_moved_window_waits_for_approval_again_and_not_from_its_mover(world: World) -> None:
    """Moving an approved window ends its session at the next recheck; who moved it cannot approve the move."""
    grant = await world.grant()
    moved = await world.services.windows.move(
        world.who("denis"),
        world.id,
        world.window.id,
        version=world.window.version,
        start=world.clock.now() - HOUR,
        end=world.clock.now() + 2 * HOUR,
    )
    assert (moved.window.state, moved.window.requested_by) == (WindowState.PLANNED, world.who("denis"))
    assert isinstance((await world.services.access.recheck([grant]))[grant.session_id], Denial)
    with pytest.raises(Forbidden):
        await world.services.windows.approve(
            world.who("denis"), world.id, world.window.id, version=moved.window.version
        )
    await world.services.windows.approve(
        world.who("dsi"), world.id, world.window.id, version=moved.window.version
    )
    assert isinstance(await world.services.access.decide(world.request()), Grant)


async def test_of_two_changes_at_once_one_is_refused(world: World) -> None:
    """Two planners who move the same version at once: one does, the other is told to look again."""
    late: dict[str, Any] = {"start": world.clock.now() + 5 * HOUR, "end": world.clock.now() + 6 * HOUR}
    answers = await asyncio.gather(
        *(
            world.services.windows.move(
                world.who(login), world.id, world.window.id, version=world.window.version, **late
            )
            for login in ("dsi", "denis")
        ),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
    kept = await world.services.windows.get(world.who("dsi"), world.id, world.window.id)
    assert kept.version == world.window.version + 1
    assert len(kept.occurrences) == 1


async def test_more_time_needs_a_second_person(world: World, clock: ManualClock) -> None:
    """The requester cannot extend, another planner can; the live session's end moves with it."""
    grant = await world.grant()
    end = world.window.occurrences[0].end + HOUR
    windows, access = world.services.windows, world.services.access
    with pytest.raises(Forbidden):
        await windows.extend(world.who("dsi"), world.id, world.window.id, end=end)
    await windows.extend(world.who("denis"), world.id, world.window.id, end=end)
    held = (await access.recheck([grant]))[grant.session_id]
    assert isinstance(held, Held)
    assert held.obligations.hard_end == end
    clock.set(end)
    assert isinstance((await access.recheck([grant]))[grant.session_id], Denial)
    with pytest.raises(Conflict):
        await windows.extend(world.who("denis"), world.id, world.window.id, end=end + HOUR)


async def test_an_extension_asked_for_is_decided_by_somebody_else_and_once(world: World) -> None:
    """Who asked cannot decide; a refusal changes nothing; a decision is not taken twice."""
    windows, end = world.services.windows, world.window.occurrences[0].end + HOUR
    first = await windows.request_extension(world.who("denis"), world.id, world.window.id, end=end)
    second = await windows.request_extension(world.who("dsi"), world.id, world.window.id, end=end)
    assert [one.id for one in await windows.extensions(world.who("rssi"), world.id)] == sorted(
        (first.id, second.id)
    )
    with pytest.raises(Forbidden):
        await windows.decide_extension(world.who("denis"), world.id, first.id, approve=True)
    with pytest.raises(InvalidInput, match="reason"):
        await windows.decide_extension(world.who("dsi"), world.id, first.id, approve=False)
    await windows.decide_extension(world.who("dsi"), world.id, first.id, approve=False, reason="Pas ce soir")
    kept = await windows.get(world.who("dsi"), world.id, world.window.id)
    assert kept.occurrences == world.window.occurrences
    with pytest.raises(Conflict):
        await windows.decide_extension(world.who("dsi"), world.id, first.id, approve=True)
    await windows.decide_extension(world.who("denis"), world.id, second.id, approve=True)
    kept = await windows.get(world.who("dsi"), world.id, world.window.id)
    assert kept.occurrences[0].end == end
    assert await windows.extensions(world.who("rssi"), world.id) == []


async def test_less_time_needs_nobody_else_but_never_rewrites_the_past(
    world: World, clock: ManualClock
) -> None:
    """The requester may end her own window early: at once where the end asked for is past."""
    grant = await world.grant()
    dsi, windows = world.who("dsi"), world.services.windows
    for end in (world.window.occurrences[0].end, world.window.occurrences[0].end + HOUR):
        with pytest.raises(InvalidInput, match="earlier"):
            await windows.shorten(dsi, world.id, world.window.id, end=end)
    shorter = await windows.shorten(dsi, world.id, world.window.id, end=clock.now() - timedelta(minutes=10))
    assert shorter.occurrences[0].end == clock.now()
    assert isinstance((await world.services.access.recheck([grant]))[grant.session_id], Denial)
    with pytest.raises(Conflict):
        await windows.shorten(dsi, world.id, world.window.id, end=clock.now())


async def test_a_window_to_come_is_cancelled_not_shortened_to_nothing(world: World) -> None:
    """An end before the start is refused with the way out; cancelling is for good."""
    window = (await plan(world)).window
    dsi, windows, only = world.who("dsi"), world.services.windows, window.occurrences[0].id
    with pytest.raises(InvalidInput, match="cancel"):
        await windows.shorten(dsi, world.id, window.id, end=window.occurrences[0].start, occurrence_id=only)
    with pytest.raises(NotFound):
        await windows.shorten(
            dsi, world.id, window.id, end=window.occurrences[0].end, occurrence_id=OccurrenceId("0" * 32)
        )
    await windows.cancel(dsi, world.id, window.id, reason="inutile")
    for refused in (
        windows.cancel(dsi, world.id, window.id, reason="encore"),
        windows.approve(world.who("denis"), world.id, window.id, version=2),
        windows.move(
            dsi,
            world.id,
            window.id,
            version=2,
            start=window.occurrences[0].start,
            end=window.occurrences[0].end,
        ),
        windows.extend(
            world.who("denis"), world.id, window.id, end=window.occurrences[0].end + HOUR, occurrence_id=only
        ),
    ):
        with pytest.raises(Conflict):
            await refused


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("purpose", {"purpose": "  "}),
        ("purpose", {"purpose": "one\nline"}),
        ("people", {"people": []}),
        ("people", {"people": "staff"}),
        ("people", {"people": "suspended"}),
        ("devices", {"devices": []}),
        ("groups", {"groups": ["No Name"]}),
        ("account", {"account": "../root"}),
        ("channels", {"channels": []}),
        ("channels", {"channels": ["telnet"]}),
        ("idle.limit", {"idle": IdleRule(limit=timedelta(0))}),
        ("idle.limit", {"idle": IdleRule(limit=2 * HOUR)}),
        ("idle.ceiling", {"idle": IdleRule(limit=HOUR / 2, output_counts=True)}),
        ("idle.ceiling", {"idle": IdleRule(limit=HOUR / 2, ceiling=HOUR)}),
        ("start", {"start": None}),
        ("end", {"end": None}),
        ("end", {"end": datetime(2026, 3, 3, 21, 0, tzinfo=PARIS)}),
        ("end", {"start": datetime(2026, 3, 1, 8, 0), "end": datetime(2026, 3, 1, 9, 0)}),  # noqa: DTZ001 - wall time
        ("end", {"end": datetime(2026, 3, 6, 21, 0, tzinfo=PARIS)}),
        (
            "start",
            {"recurrence": Recurrence(start=EIGHT, duration=HOUR, rule="FREQ=DAILY")},
        ),
        ("intervention_id", {"kind": None}),
        ("intervention_id", {"intervention_id": "both"}),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused_by_field(
    world: World, field: str, changes: dict[str, Any]
) -> None:
    """Each bad value is an InvalidInput of its field, and plans nothing."""
    if changes.get("people") == "staff":
        changes = {"people": [world.who("dsi")]}
    if changes.get("people") == "suspended":
        await world.services.people.suspend(world.who("dsi"), world.id, world.who("bob"), reason="départ")
        changes = {"people": [world.who("bob")]}
    if changes.get("intervention_id") == "both":
        changes = {"intervention_id": world.window.intervention_id}
    with pytest.raises(InvalidInput) as refusal:
        await plan(world, **changes)
    assert refusal.value.field == field
    assert [one.id for one in await world.services.windows.list(world.who("dsi"), world.id)] == [
        world.window.id
    ]
    assert len(await world.services.interventions.list(world.who("dsi"), world.id)) == 1


async def test_a_local_time_in_doubt_is_refused_until_the_planner_says_which(world: World) -> None:
    """In the night the clocks go back, 02:30 exists twice: refused, then read as it is said."""
    start, end = datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 4, 0)  # noqa: DTZ001 - wall time
    with pytest.raises(AmbiguousLocalTime):
        await plan(world, start=start, end=end)
    first = (await plan(world, start=start, end=end, start_fold=0)).window.occurrences[0]
    second = (await plan(world, start=start, end=end, start_fold=1)).window.occurrences[0]
    assert second.start - first.start == HOUR
    assert first.end == second.end


async def test_an_intervention_that_is_over_takes_no_window(world: World) -> None:
    """A closed intervention refuses a new window, and the approval of one that waits."""
    dsi = world.who("dsi")
    waiting = (await plan(world)).window
    await world.services.interventions.close(dsi, world.id, waiting.intervention_id, reason="atteint")
    with pytest.raises(Conflict):
        await plan(world, kind=None, supplier_id=None, intervention_id=waiting.intervention_id)
    with pytest.raises(Conflict):
        await world.services.windows.approve(world.who("denis"), world.id, waiting.id, version=1)


async def test_the_planner_is_warned_and_not_refused(world: World) -> None:
    """Moot directions, an empty group, a missing account or host key, another supplier there: each is said."""
    dsi, services = world.who("dsi"), world.services
    other = await services.suppliers.create(
        dsi,
        world.id,
        name="Autre",
        sites=[Site(id=SiteId(new_id()), name="Nantes", country="FR", networks=("198.51.100.0/24",))],
    )
    sam = await services.people.create(
        dsi,
        world.id,
        login="sam",
        full_name="Sam",
        email="sam@autre.example",
        roles=frozenset({Role.TECHNICIAN}),
        supplier_id=other.id,
    )
    bare = await services.devices.create(
        dsi, world.id, name="ris02", zone_id=world.zone.id, address="192.0.2.8"
    )
    assert (await plan(world)).warnings == ()
    moot = await plan(world, channels=[Channel.SHELL, Channel.SFTP_UP])
    assert moot.warnings == ("warning.shell-makes-direction-moot",)
    empty = await plan(world, groups=["personne"])
    assert empty.warnings == ("warning.group-empty",)
    unready = await plan(world, devices=[bare.id])
    assert unready.warnings == ("warning.no-host-key", "warning.no-account")
    both = await plan(world, supplier_id=other.id, people=[sam.id], devices=[], groups=["imagerie"])
    assert both.warnings == ("warning.other-supplier-at-same-time",)
    after: dict[str, Any] = {"start": world.clock.now() + 30 * HOUR, "end": world.clock.now() + 31 * HOUR}
    assert (await plan(world, supplier_id=other.id, people=[sam.id], **after)).warnings == ()


async def test_the_agenda_shows_what_is_open_between_two_instants(world: World, clock: ManualClock) -> None:
    """The list holds the windows that overlap [start, end), the end being left out."""
    only = world.window.occurrences[0]
    listed = world.services.windows.list
    rssi = world.who("rssi")
    assert [one.id for one in await listed(rssi, world.id, start=clock.now(), end=clock.now() + HOUR)] == [
        world.window.id
    ]
    assert await listed(rssi, world.id, start=only.end) == []
    assert await listed(rssi, world.id, end=only.start) == []
    other = await plan(world)
    found = await listed(rssi, world.id, intervention_id=other.window.intervention_id)
    assert [one.id for one in found] == [other.window.id]


async def test_a_recurring_window_is_stored_ahead_and_topped_up_once(
    world: World, clock: ManualClock
) -> None:
    """Weekly occurrences reach the horizon; a month later the rest is added, by one of two top-ups at once."""
    local = clock.now().astimezone(PARIS).replace(tzinfo=None)
    weekly = Recurrence(start=local, duration=HOUR, rule="FREQ=WEEKLY")
    window = await world.add_window(recurrence=weekly)
    assert len(window.occurrences) == 58
    windows = world.services.windows
    assert await windows.top_up() == 0
    clock.advance(timedelta(days=35))
    assert sorted(await asyncio.gather(windows.top_up(), windows.top_up())) == [0, 5]
    stored = (await windows.get(world.who("dsi"), world.id, window.id)).occurrences
    starts = [one.start.astimezone(PARIS) for one in stored]
    assert len(set(starts)) == 63
    assert {(start.isoweekday(), start.hour, start.minute) for start in starts} == {(2, 20, 30)}


async def test_a_recurrence_moved_keeps_what_is_over(world: World, clock: ManualClock) -> None:
    """Occurrences past stay in the agenda; those to come are those of the new rule, topped up from there."""
    local = clock.now().astimezone(PARIS).replace(tzinfo=None)
    window = await world.add_window(recurrence=Recurrence(start=local, duration=HOUR, rule="FREQ=WEEKLY"))
    clock.advance(timedelta(days=8))
    tuesdays = Recurrence(start=local + timedelta(days=9), duration=HOUR, rule="FREQ=WEEKLY")
    moved = await world.services.windows.move(
        world.who("dsi"), world.id, window.id, version=window.version, recurrence=tuesdays
    )
    days = [one.start.astimezone(PARIS).isoweekday() for one in moved.window.occurrences]
    assert days[:3] == [2, 2, 4]
    assert set(days[2:]) == {4}
    assert await world.services.windows.get(world.who("dsi"), world.id, window.id) == moved.window
