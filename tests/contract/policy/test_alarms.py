"""Alarms: one a cause, counted once, told once, and closed by people."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from policy.clock import ManualClock
from policy.domain.alarms import Alarm, AlarmState, Bookmark, Call, Severity, Sighting, Tally
from policy.domain.mails import MailKind
from policy.errors import CallRefused, Conflict, Forbidden, InvalidInput, NotFound
from policy.services.alarms import FURTHER, READER, AlarmService
from policy.services.calls import CallQueue
from policy.services.mails import Letter, MailQueue
from tests.support.policy_world import World

DAY = timedelta(days=1)


def place(seq: int) -> dict[str, Bookmark]:
    """The place of one writer's chain."""
    return {"gw-1": Bookmark(seq, f"{seq:064}")}


@pytest.fixture
async def alarms(world: World, clock: ManualClock) -> AlarmService:
    """The register of a hospital that has mails and a webhook."""
    services = world.services
    settings = replace(services.settings, mails=True, alarm_calls=Severity.NOTICE)
    await services.bookmarks.begin(world.id, READER, DAY)
    queue = MailQueue(services.keyring, clock, settings)
    return AlarmService(services.database, clock, queue, CallQueue(clock, settings), settings)


def seen(world: World, kind: str = "host_key_changed", key: str = "scan01", **more: object) -> Sighting:
    """One sighting, now."""
    values: dict[str, object] = {"severity": Severity.CRITICAL, "at": world.clock.now(), **more}
    return Sighting(kind=kind, key=key, **values)  # type: ignore[arg-type]  # the test's own values


async def open_ones(world: World) -> list[Alarm]:
    """What the security staff sees."""
    return list(await world.services.alarms.list(world.who("dsi"), world.id))


async def test_one_cause_is_one_alarm_until_it_is_closed(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """The same cause counts up; another is another; what is seen after the close is a new alarm."""
    dsi = world.who("dsi")
    first = await alarms.take(world.id, [seen(world), seen(world)], {}, place(2))
    clock.advance(timedelta(minutes=1))
    again = await alarms.take(world.id, [seen(world), seen(world, key="ris02")], place(2), place(4))
    assert [len(first), len(again)] == [1, 1]
    found = {alarm.key: alarm for alarm in await open_ones(world)}
    assert {key: alarm.count for key, alarm in found.items()} == {"scan01": 3, "ris02": 1}
    assert found["scan01"].last_at - found["scan01"].first_at == timedelta(minutes=1)
    taken = await alarms.acknowledge(dsi, world.id, found["scan01"].id)
    assert taken.state is AlarmState.ACKNOWLEDGED
    await alarms.take(world.id, [seen(world)], place(4), place(5))
    closed = await alarms.close(dsi, world.id, taken.id, "Réinstallé")
    assert (closed.count, closed.state) == (4, AlarmState.CLOSED)
    [new] = await alarms.take(world.id, [seen(world)], place(5), place(6))
    assert new.id != closed.id
    assert new.count == 1


async def test_what_was_read_is_counted_once_whoever_reads_it(world: World, alarms: AlarmService) -> None:
    """Two consoles that read the same entries: the second is told to read again, and nothing is counted twice."""
    await alarms.take(world.id, [seen(world)], {}, place(1))
    with pytest.raises(Conflict):
        await alarms.take(world.id, [seen(world)], {}, place(1))
    assert [alarm.count for alarm in await open_ones(world)] == [1]
    assert await world.services.bookmarks.get(world.id, READER) == place(1)


async def test_a_count_is_an_alarm_only_once_it_is_reached_in_its_period(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """Below the limit nothing is raised; a new period counts from nothing; a restart forgets no count."""

    def some(amount: int) -> Sighting:
        return seen(world, tallies=(Tally(name="bytes/scan01", amount=amount, limit=10, period=DAY),))

    assert await alarms.take(world.id, [some(4), some(5)], {}, place(2)) == []
    clock.advance(DAY)
    assert await alarms.take(world.id, [some(4)], place(2), place(3)) == []
    assert await alarms.take(world.id, [some(5)], place(3), place(4)) == []
    [raised] = await alarms.take(world.id, [some(1), some(1)], place(4), place(6))
    assert raised.count == 2


async def test_a_cause_that_is_gone_says_so_and_stays_open(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """Somebody still has to look at what is over; what comes back is not over any more."""
    await alarms.take(world.id, [seen(world, over=True)], {}, place(1))
    assert await open_ones(world) == []
    await alarms.take(world.id, [seen(world), seen(world, over=True)], place(1), place(3))
    [gone] = await open_ones(world)
    assert (gone.over_at, gone.state) == (clock.now(), AlarmState.OPEN)
    await alarms.take(world.id, [seen(world)], place(3), place(4))
    [back] = await open_ones(world)
    assert (back.over_at, back.count) == (None, 2)


async def test_an_end_that_was_made_before_the_cause_was_seen_ends_nothing(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """An older clean result, kept and handed in after what it does not know of, leaves the alarm as it is."""
    before = replace(seen(world, over=True), of_before=True)
    clock.advance(timedelta(minutes=1))
    cause = seen(world)
    await alarms.take(world.id, [cause, before, replace(before, at=cause.at)], {}, place(1))
    [stands] = await open_ones(world)
    assert stands.over_at is None
    after = replace(before, at=cause.at + timedelta(seconds=1))
    await alarms.take(world.id, [after], place(1), place(2))
    [gone] = await open_ones(world)
    assert gone.over_at == after.at


async def test_a_new_alarm_is_mailed_and_called_once_by_its_severity(
    world: World, alarms: AlarmService
) -> None:
    """The referents hear of a new alarm, not of each sighting; below what was set, nobody is mailed."""
    letters: list[Letter] = []

    async def keep(letter: Letter) -> None:
        letters.append(letter)

    facts = {"device": "scan01", "detail": "x" * 5000}
    await alarms.take(world.id, [seen(world, facts=facts)] * 3, {}, place(3))
    await alarms.take(world.id, [seen(world, kind="lockout", severity=Severity.NOTICE)], place(3), place(4))
    await world.services.mails.deliver(world.id, keep)
    assert {(letter.kind, letter.arguments["alarm_kind"]) for letter in letters} == {
        (MailKind.ALARM, "host_key_changed")
    }
    assert {letter.recipient.login for letter in letters} == {"rssi"}
    assert letters[0].facts["device"] == "scan01"
    assert len(letters[0].facts["detail"]) == 300
    calls = await heard(world)
    assert [(call.event, call.alarm["kind"]) for call in calls] == [
        ("opened", "host_key_changed"),
        ("opened", "lockout"),
    ]


async def test_a_stranger_who_raises_many_alarms_hides_and_drowns_no_other(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """Five causes of a kind are alarms of their own in a day, the rest one more; what is grave is always its own."""
    sent: list[str] = []

    async def keep(letter: Letter) -> None:
        sent.append(letter.arguments["alarm_kind"])

    await alarms.take(world.id, [seen(world)], {}, place(1))
    clock.advance(timedelta(minutes=1))
    alice, grave = world.who("alice"), [seen(world, key=f"ris{number:02}") for number in range(8)]
    flood = [
        seen(world, "failed_logins", f"192.0.2.{end}", severity=Severity.HIGH, person_id=alice)
        for end in range(30)
    ]
    await alarms.take(world.id, flood[:8], place(1), place(2))
    await alarms.take(world.id, [*flood[8:], flood[0]], place(2), place(3))
    await alarms.take(world.id, grave, place(3), place(4))
    found = await alarms.list(world.who("dsi"), world.id)
    counts = {one.key: one.count for one in found if one.kind == "failed_logins"}
    many = f"{FURTHER}/{clock.now().date()}"
    assert counts == {"192.0.2.0": 2, **{f"192.0.2.{end}": 1 for end in range(1, 5)}, many: 25}
    [together] = [one for one in found if one.key == many]
    assert together.person_id is None
    assert (together.facts[FURTHER], together.facts["person"]) == (True, "alice")
    while await world.services.mails.deliver(world.id, keep):
        pass
    assert Counter(sent) == {"host_key_changed": 9, "failed_logins": 6}
    assert len(await heard(world)) == 15
    clock.advance(timedelta(days=1, minutes=1))
    late = [seen(world, "failed_logins", f"198.51.100.{end}", severity=Severity.HIGH) for end in range(7)]
    assert len(await alarms.take(world.id, late, place(4), place(5))) == 6


async def test_what_is_left_of_a_list_that_is_cut_off_is_the_gravest(
    world: World, alarms: AlarmService
) -> None:
    """Whoever raises many small alarms pushes no grave one off the list."""
    small = [seen(world, f"kind{number}", severity=Severity.HIGH) for number in range(6)]
    await alarms.take(world.id, [seen(world), *small], {}, place(1))
    found = await alarms.list(world.who("dsi"), world.id, limit=2)
    assert Counter(one.severity for one in found) == {Severity.CRITICAL: 1, Severity.HIGH: 1}


async def heard(world: World) -> list[Call]:
    """Deliver what is due, and return it."""
    calls: list[Call] = []

    async def keep(call: Call) -> None:
        calls.append(call)

    while await world.services.calls.deliver(world.id, keep):
        pass
    return sorted(calls, key=lambda call: str(call.alarm["kind"]))


async def test_a_call_is_tried_with_the_same_identifier_until_it_arrives_or_its_time_is_over(
    world: World, clock: ManualClock, alarms: AlarmService
) -> None:
    """A receiver that refuses is asked again after a growing pause; one that never takes it is given up, and said."""
    tried: list[str] = []

    async def refuse(call: Call) -> None:
        tried.append(call.id)
        raise CallRefused("HTTP 503")

    cursor, _ = await world.services.access.changes_since(None)
    [alarm] = await alarms.take(world.id, [seen(world)], {}, place(1))
    pauses: list[timedelta] = []
    last = clock.now()
    while not pauses or pauses[-1] < timedelta(hours=1):
        if await world.services.calls.deliver(world.id, refuse):
            pauses.append(clock.now() - last)
            last = clock.now()
        clock.advance(timedelta(seconds=5) if len(pauses) < 5 else timedelta(minutes=5))
    assert pauses[1:5] == [timedelta(seconds=10 * 2**n) for n in range(4)]
    clock.advance(timedelta(days=3))
    await world.services.calls.deliver(world.id, refuse)
    clock.advance(timedelta(days=3))
    assert await world.services.calls.deliver(world.id, refuse) == 0
    assert len(set(tried)) == 1
    [call] = await alarms.calls(world.who("dsi"), world.id, alarm.id)
    assert (call.fault, call.delivered_at, call.abandoned_at is not None) == ("HTTP 503", None, True)
    _, changes = await world.services.access.changes_since(cursor)
    assert [change.name for change in changes if change.name.startswith("webhook")] == ["webhook.abandoned"]


async def test_answers_are_policy_facts_with_their_note(world: World, alarms: AlarmService) -> None:
    """Who acknowledged and closed, and why, is in the outbox; twice is refused; nobody closes in silence."""
    dsi, alice = world.who("dsi"), world.who("alice")
    [alarm] = await alarms.take(world.id, [seen(world)], {}, place(1))
    with pytest.raises(Forbidden):
        await alarms.close(alice, world.id, alarm.id, "rien")
    with pytest.raises(InvalidInput):
        await alarms.close(dsi, world.id, alarm.id, "  ")
    with pytest.raises(NotFound):
        await alarms.acknowledge(dsi, world.id, "0" * 32)
    cursor, _ = await world.services.access.changes_since(None)
    await alarms.acknowledge(dsi, world.id, alarm.id, "J’appelle")
    await alarms.close(dsi, world.id, alarm.id, "Réinstallé")
    for again in (
        alarms.acknowledge(dsi, world.id, alarm.id),
        alarms.close(dsi, world.id, alarm.id, "encore"),
    ):
        with pytest.raises(Conflict):
            await again
    _, changes = await world.services.access.changes_since(cursor)
    assert [(change.name, change.actor, change.after["note"]) for change in changes] == [
        ("alarm.acknowledged", dsi, "J’appelle"),
        ("alarm.closed", dsi, "Réinstallé"),
    ]


async def test_one_process_reads_for_a_reader_until_its_time_is_over(
    world: World, clock: ManualClock
) -> None:
    """A second holder waits until the first has not renewed."""
    bookmarks = world.services.bookmarks
    await bookmarks.begin(world.id, "syslog", DAY)
    period = timedelta(seconds=15)
    assert await bookmarks.hold(world.id, "syslog", "a", period)
    assert not await bookmarks.hold(world.id, "syslog", "b", period)
    assert await bookmarks.hold(world.id, "syslog", "a", period)
    clock.advance(period)
    assert await bookmarks.hold(world.id, "syslog", "b", period)
    await bookmarks.move(world.id, "syslog", {}, place(3))
    with pytest.raises(Conflict):
        await bookmarks.move(world.id, "syslog", {}, place(4))
    assert await bookmarks.get(world.id, "syslog") == place(3)


STRANGE = {
    "a key with NUL": {"key": "gw\x00"},
    "a key with half a character": {"key": "gw\ud800"},
    "a person with NUL": {"person_id": "p\x00"},
    "a device with half a character": {"device_id": "d\udfff"},
    "a session with NUL": {"session_id": "s\x00"},
    "a fact with NUL": {"facts": {"n\x00de": "gw\x00"}},
    "a fact with half a character": {"facts": {"n\ud800": "gw\ud800"}},
    "a number beyond all": {"facts": {"count": float("inf")}},
    "no number": {"facts": {"count": float("nan")}},
    "an identifier that is none": {"session_id": ["s"] * 99},
    "more than can be counted": {"tallies": (Tally(name="n\x00", amount=10**30, limit=1, period=DAY),)},
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_an_entry_that_no_database_takes_holds_up_no_alarm(
    world: World, alarms: AlarmService, strange: dict[str, object]
) -> None:
    """A gateway writes the journal's entries: what PostgreSQL keeps in no column is an alarm like any other, and those after it come."""
    first = seen(world, **strange)  # type: ignore[arg-type]  # the test's own values
    told = [first, seen(world, key="after")]
    found = await alarms.take(world.id, told, {}, place(2))
    assert len(found) == 2
    assert len(await open_ones(world)) == 2
