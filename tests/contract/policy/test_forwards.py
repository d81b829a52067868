"""Ports of a device that a window lets through: planned, bounded, and carried by the grant."""

from datetime import timedelta
from typing import Any

import pytest

from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, Held
from policy.domain.interventions import InterventionKind
from policy.domain.windows import Channel, Forward
from policy.errors import InvalidInput
from tests.support.policy_world import World

CONSOLE = Forward(port=443, label="console")
BASE = Forward(port=5432)


async def plan(world: World, **changes: Any) -> Any:
    """Plan a window for bob on scan01, open now for two hours, with *changes*."""
    wanted: dict[str, Any] = {
        "purpose": "Révision",
        "people": [world.who("bob")],
        "devices": [world.device.id],
        "channels": [Channel.SHELL],
        "forwards": [BASE, CONSOLE],
        "kind": InterventionKind.REMOTE_MAINTENANCE,
        "supplier_id": world.supplier.id,
        "start": world.clock.now(),
        "end": world.clock.now() + timedelta(hours=2),
    }
    return await world.services.windows.plan(world.who("dsi"), world.id, **(wanted | changes))


async def test_the_grant_carries_the_ports_of_its_window(world: World) -> None:
    """Ports are stored by number with their labels, approved with the window, and obligations of every grant under it."""
    planned = await plan(world)
    assert planned.window.forwards == (CONSOLE, BASE)
    assert "warning.forward-unreadable" in planned.warnings
    windows = world.services.windows
    await windows.approve(world.who("denis"), world.id, planned.window.id, version=planned.window.version)
    stored = await windows.get(world.who("dsi"), world.id, planned.window.id)
    assert stored.forwards == (CONSOLE, BASE)
    grant = await world.services.access.decide(world.request("bob"))
    assert isinstance(grant, Grant), grant
    assert grant.obligations.forwards == (CONSOLE, BASE)
    assert grant.obligations.forward_to(443) == CONSOLE
    assert grant.obligations.forward_to(80) is None
    assert (
        b'"forwards":[{"label":"console","port":443},{"label":null,"port":5432}]' in grant.canonical_bytes()
    )
    held = (await world.services.access.recheck([grant]))[grant.session_id]
    assert isinstance(held, Held)
    assert held.obligations.forwards == (CONSOLE, BASE)


async def test_no_window_lets_a_port_through_unless_it_names_it(world: World) -> None:
    """Without forwards, which is what a planner gets who says nothing, a grant has none."""
    grant = await world.services.access.decide(world.request("alice"))
    assert isinstance(grant, Grant)
    assert grant.obligations.forwards == ()


async def test_ports_of_one_window_are_not_added_to_another_s(world: World, clock: ManualClock) -> None:
    """Whoever is in under one window gains no port from another that opens meanwhile: rights never add up."""
    grant = await world.services.access.decide(world.request("alice"))
    assert isinstance(grant, Grant)
    other = (await plan(world, people=[world.who("alice")])).window
    await world.services.windows.approve(world.who("denis"), world.id, other.id, version=other.version)
    clock.advance(timedelta(seconds=1))
    held = (await world.services.access.recheck([grant]))[grant.session_id]
    assert isinstance(held, Held)
    assert held.obligations.forwards == ()


@pytest.mark.parametrize(
    "forwards",
    [
        [Forward(port=0)],
        [Forward(port=65536)],
        [Forward(port=22)],
        [Forward(port=443), Forward(port=443, label="twice")],
        [Forward(port=443, label="")],
        [Forward(port=443, label="x" * 41)],
        [Forward(port=443, label="two\nlines")],
        [Forward(port=number) for number in range(1000, 1017)],
    ],
    ids=["zero", "too-large", "ssh", "twice", "no-words", "long", "lines", "many"],
)
async def test_ports_that_no_window_may_name(world: World, forwards: list[Forward]) -> None:
    """A number that is no port, SSH's own, one named twice, a label that is no line, too many: refused by field."""
    with pytest.raises(InvalidInput) as refused:
        await plan(world, forwards=forwards)
    assert refused.value.field == "forwards"


async def test_the_device_s_own_ssh_port_is_not_forwarded(world: World) -> None:
    """A session inside the session would be sealed: the SSH port is refused wherever the device has it."""
    dsi, device = world.who("dsi"), world.device
    moved = await world.services.devices.update(dsi, world.id, device.id, port=2222)
    assert moved.port == 2222
    with pytest.raises(InvalidInput, match="SSH"):
        await plan(world, forwards=[Forward(port=2222)])


async def test_a_window_for_a_port_alone_needs_no_channel(world: World) -> None:
    """Where a console is all that is needed, no shell has to be allowed; where nothing is, the window is refused."""
    window = (await plan(world, channels=[])).window
    assert (window.channels, window.forwards) == (frozenset(), (CONSOLE, BASE))
    with pytest.raises(InvalidInput) as refused:
        await plan(world, channels=[], forwards=[])
    assert refused.value.field == "channels"


async def test_a_window_of_ports_waits_for_somebody_else_like_any(world: World) -> None:
    """Before its approval a window with ports opens nothing."""
    await plan(world)
    assert isinstance(await world.services.access.decide(world.request("bob")), Denial)
