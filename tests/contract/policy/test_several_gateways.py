"""Two gateways on one database, each with services of its own, asked in the same instant: together they allow no more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from policy.clock import ManualClock
from policy.errors import AuthenticationFailed, Conflict, LockedOut
from policy.vault.secret import Secret
from tests.support.policy_databases import mould
from tests.support.policy_world import World

AT_ONCE = 8


@pytest.fixture
async def gateways(
    database_kind: str, copied_url: str, clock: ManualClock
) -> AsyncIterator[tuple[World, World]]:
    """The fixture hospital, opened twice: nothing is shared but the database."""
    pair = [await mould(database_kind).world.reopen(copied_url, clock) for _ in range(2)]
    yield pair[0], pair[1]
    for each in pair:
        await each.close()


async def log_in(
    gateway: World, code: str, *, source: str = "127.0.0.1", password: str | None = None
) -> bool:
    """Try alice's log-in by one gateway, and tell whether it let her in; a lock-out is raised."""
    attempt = await gateway.services.login.begin("alice", source, hospital_id=gateway.id)
    try:
        await attempt.check_password_and_code(
            gateway.passwords["alice"] if password is None else Secret(password), code
        )
    except LockedOut:
        raise
    except AuthenticationFailed:
        return False
    return True


async def test_a_code_lets_in_by_one_gateway_alone(gateways: tuple[World, World]) -> None:
    """The same password and code, given to both many times at once, open one log-in, whichever comes first."""
    code = gateways[0].code("alice")
    tries = [log_in(gateways[number % 2], code) for number in range(AT_ONCE)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert answers.count(True) == 1, answers


async def test_the_limit_of_sessions_is_one_for_all_gateways(gateways: tuple[World, World]) -> None:
    """What is open on one counts on the other; the last place, asked for on both at once, is given once."""
    limit = gateways[0].services.settings.session_limit
    for number in range(limit - 1):
        gateway = gateways[number % 2]
        await gateway.services.access.session_opened(await gateway.grant(), f"node{number % 2}")
    grants = [await gateway.grant() for gateway in gateways]
    taken = await asyncio.gather(
        *(
            gateway.services.access.session_opened(grant, f"node{number}")
            for number, (gateway, grant) in enumerate(zip(gateways, grants, strict=True))
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Conflict) for one in taken) == 1, taken
    for gateway in gateways:
        assert len(await gateway.services.access.sessions(gateway.id)) == limit


async def test_one_post_is_one_post_on_all_gateways(gateways: tuple[World, World]) -> None:
    """Who works from one post at a time has a session by one gateway, and none by another from elsewhere (E2)."""
    first = gateways[0]
    await first.services.people.bind_to_one_post(
        first.who("dsi"), first.id, first.who("alice"), one_post=True
    )
    sources = ("127.0.0.1", "127.0.0.2")
    grants = [
        await gateway.services.access.decide(gateway.request(source=source))
        for gateway, source in zip(gateways, sources, strict=True)
    ]
    taken = await asyncio.gather(
        *(
            gateway.services.access.session_opened(grant, f"node{number}")  # type: ignore[arg-type]  # grants, both
            for number, (gateway, grant) in enumerate(zip(gateways, grants, strict=True))
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Conflict) for one in taken) == 1, taken


async def test_failures_on_one_gateway_lock_the_other(
    gateways: tuple[World, World], clock: ManualClock
) -> None:
    """Wrong passwords given to both by turns are counted together, and the right one is heard by neither then."""
    failures = gateways[0].services.settings.lockout_failures
    for number in range(failures):
        assert not await log_in(gateways[number % 2], "000000", password="wrong")
    for gateway in gateways:
        with pytest.raises(LockedOut):
            await log_in(gateway, gateway.code("alice"))
    clock.advance(timedelta(hours=2))
    assert await log_in(gateways[1], gateways[1].code("alice"))
