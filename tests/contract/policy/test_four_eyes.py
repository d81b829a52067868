"""Who asks and who approves: two people, neither of whom has just made the other's account."""

from datetime import timedelta

import pytest

from policy.clock import ManualClock
from policy.domain.interventions import InterventionKind
from policy.domain.people import Role
from policy.domain.windows import Channel, Window
from policy.errors import Forbidden
from tests.support.policy_world import World

HOUR = timedelta(hours=1)


async def invite(world: World, login: str, by: str) -> None:
    """Add a planner and administrator *login*, whom *by* invites."""
    name = login.capitalize()
    world.people[login] = await world.services.people.create(
        world.who(by),
        world.id,
        login=login,
        full_name=f"{name} Lenoir",
        email=f"{login}.lenoir@hopital.example",
        roles=frozenset({Role.PLANNER, Role.ADMINISTRATOR}),
    )
    await world.services.people.invite(world.who(by), world.id, world.who(login))


async def ask(world: World, by: str) -> Window:
    """Return a window from now on, that *by* asks for."""
    now = world.clock.now()
    planned = await world.services.windows.plan(
        world.who(by),
        world.id,
        purpose="Mise à jour",
        people=[world.who("alice")],
        devices=[world.device.id],
        channels=[Channel.SHELL],
        kind=InterventionKind.REMOTE_MAINTENANCE,
        supplier_id=world.supplier.id,
        start=now,
        end=now + HOUR,
    )
    return planned.window


async def approve(world: World, by: str, window: Window) -> Window:
    """Let *by* approve *window*."""
    return await world.services.windows.approve(world.who(by), world.id, window.id, version=window.version)


@pytest.mark.parametrize(
    ("asks", "approves"),
    [("dsi", "mine"), ("mine", "dsi"), ("mine", "mine2"), ("dsi", "deeper"), ("deeper", "dsi")],
)
async def test_an_inviter_and_whom_she_invited_do_not_make_four_eyes(
    world: World, asks: str, approves: str
) -> None:
    """An account just invited may be its inviter's second one: whichever asks, and through others, it is refused."""
    await invite(world, "mine", by="dsi")
    await invite(world, "mine2", by="dsi")
    await invite(world, "deeper", by="mine")
    window = await ask(world, asks)
    with pytest.raises(Forbidden, match="invited the other"):
        await approve(world, approves, window)
    assert (await approve(world, "denis", window)).approved_by == world.who("denis")


async def test_renewing_somebody_counts_as_inviting_her(world: World) -> None:
    """Who renews the other administrator holds her new invitation, and could take it up."""
    await world.services.people.renew(
        world.who("dsi"), world.id, world.who("denis"), reason="téléphone perdu"
    )
    window = await ask(world, "dsi")
    with pytest.raises(Forbidden, match="invited the other"):
        await approve(world, "denis", window)


async def test_after_thirty_days_an_invitation_is_no_obstacle(world: World, clock: ManualClock) -> None:
    """Thirty days on, somebody invited is known: she approves for her inviter."""
    await invite(world, "mine", by="dsi")
    clock.advance(timedelta(days=30) - HOUR)
    with pytest.raises(Forbidden, match="less than 30 days ago"):
        await approve(world, "mine", await ask(world, "dsi"))
    clock.advance(HOUR + timedelta(seconds=1))
    assert (await approve(world, "mine", await ask(world, "dsi"))).approved_by == world.who("mine")


async def test_more_time_needs_four_eyes_of_the_same_kind(world: World) -> None:
    """An extension is not granted by somebody whom its requester has just invited; refusing it she may."""
    await invite(world, "mine", by="dsi")
    end = world.window.occurrences[0].end + HOUR
    windows = world.services.windows
    with pytest.raises(Forbidden, match="invited the other"):
        await windows.extend(world.who("mine"), world.id, world.window.id, end=end)
    asked = await windows.request_extension(world.who("dsi"), world.id, world.window.id, end=end)
    with pytest.raises(Forbidden, match="invited the other"):
        await windows.decide_extension(world.who("mine"), world.id, asked.id, approve=True)
    refused = await windows.decide_extension(
        world.who("mine"), world.id, asked.id, approve=False, reason="Le bloc reprend"
    )
    assert refused.approved is False
