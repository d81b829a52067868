"""Reports of interventions: due after a session, filed by who worked, final once acknowledged."""

from datetime import timedelta

import pytest

from policy.clock import ManualClock
from policy.domain.reports import Goal, ReportState
from policy.errors import Conflict, Forbidden, InvalidInput, RequestRefused
from tests.support.policy_world import World


async def work(world: World, clock: ManualClock) -> None:
    """Have alice work for ten minutes on scan01."""
    access = world.services.access
    await access.heartbeat("n1")
    grant = await world.grant()
    await access.session_opened(grant, "n1")
    clock.advance(timedelta(minutes=10))
    await access.session_closed(grant.hospital_id, grant.session_id, "left")


async def test_a_report_is_due_then_filed_then_acknowledged(world: World, clock: ManualClock) -> None:
    """What policy knows of the sessions is in it; it may be written anew until the hospital has read it."""
    reports = world.services.reports
    alice, denis = world.who("alice"), world.who("denis")
    assert await reports.own(alice, world.id) == []
    await work(world, clock)
    [due] = await reports.own(alice, world.id)
    assert (due.state, due.sessions, due.devices) == (ReportState.DUE, 1, ("scan01",))
    assert due.due_at == clock.now() + timedelta(days=3)
    await reports.file(alice, world.id, goal=Goal.PENDING, what="Commencé", device_name="scan01")
    await work(world, clock)
    filed = await reports.file(
        alice, world.id, goal=Goal.REACHED, what="Version 4.2 posée\n\net vérifiée ", device_name="scan01"
    )
    assert filed.what == "Version 4.2 posée\n\net vérifiée"
    assert [one["device"] for one in filed.facts["sessions"]] == ["scan01", "scan01"]  # type: ignore[attr-defined]  # JSON
    [standing] = await reports.list(denis, world.id)
    assert standing.report == filed
    with pytest.raises(Forbidden):
        await reports.acknowledge(alice, world.id, filed.id)
    read = await reports.acknowledge(denis, world.id, filed.id)
    assert (read.state, read.acknowledged_by) == (ReportState.ACKNOWLEDGED, denis)
    with pytest.raises(Conflict):
        await reports.acknowledge(denis, world.id, filed.id)
    with pytest.raises(RequestRefused) as caught:
        await reports.file(alice, world.id, goal=Goal.REACHED, what="Encore", device_name="scan01")
    assert caught.value.finding.key == "finding.O5.acknowledged"


@pytest.mark.parametrize("name", ["scan01", "nothing", "../x", ""])
async def test_only_who_worked_there_reports(world: World, name: str) -> None:
    """Without a session of hers, a device that is there and one that is not are refused alike."""
    with pytest.raises(RequestRefused) as caught:
        await world.services.reports.file(
            world.who("alice"), world.id, goal=Goal.REACHED, what="Fait", device_name=name
        )
    assert caught.value.finding.key == "finding.O5.no_session"


@pytest.mark.parametrize("what", ["", " \n ", "x" * 8001, "a\x1b[2J", "a\u202eb"])
async def test_a_report_is_readable_text(world: World, what: str) -> None:
    """Nothing, too much, and what could move a cursor are refused, naming the field."""
    with pytest.raises(InvalidInput, match="what"):
        await world.services.reports.file(
            world.who("alice"), world.id, goal=Goal.REACHED, what=what, device_name="scan01"
        )
