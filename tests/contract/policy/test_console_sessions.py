"""Sessions of the console, on both databases: begun as every log-in, ended by rest, by time, or at once."""

from datetime import timedelta

import pytest

from policy.clock import ManualClock
from policy.domain.people import Role
from policy.errors import AuthenticationFailed, Forbidden, InvalidInput, LockedOut
from policy.services.console_sessions import Visitor
from policy.vault.secret import Secret
from tests.support.policy_world import World

HERE = "127.0.0.1"
TRACE = "0" * 32


def later(world: World, length: timedelta) -> None:
    """Let time pass."""
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(length)


async def signed_in(world: World, login: str = "rssi", instead_of: Secret | None = None) -> Secret:
    """Begin a session with a code that was not used yet."""
    later(world, timedelta(seconds=30))
    sessions, password = world.services.console_sessions, world.passwords[login]
    return await sessions.sign_in(world.id, login, password, world.code(login), HERE, instead_of=instead_of)


async def visitor(world: World, shown: Secret) -> Visitor:
    """Return who shows that."""
    return await world.services.console_sessions.authenticate(shown)


async def is_out(world: World, shown: Secret) -> bool:
    """Tell whether that secret opens nothing."""
    try:
        await visitor(world, shown)
    except AuthenticationFailed:
        return True
    return False


async def test_a_session_rests_and_ends(world: World) -> None:
    """It goes on while something is asked, ends after rest, and after its longest time whatever is asked."""
    shown = await signed_in(world)
    assert (await visitor(world, shown)).person.login == "rssi"
    for _ in range(20):
        later(world, timedelta(minutes=29))
        assert not await is_out(world, shown)
    later(world, timedelta(minutes=20))
    assert await is_out(world, shown)
    other = await signed_in(world)
    later(world, timedelta(minutes=31))
    assert await is_out(world, other)


async def test_a_page_that_lies_open_keeps_nobody_in(world: World) -> None:
    """What a page asks by itself is answered, and is no sign of anybody: the session rests meanwhile."""
    shown = await signed_in(world)
    for _ in range(2):
        later(world, timedelta(minutes=14))
        await world.services.console_sessions.authenticate(shown, by_itself=True)
    later(world, timedelta(minutes=3))
    assert await is_out(world, shown)


async def test_a_log_in_rotates_what_the_browser_shows(world: World) -> None:
    """Whatever the browser held before opens nothing after a log-in; a made-up secret never did."""
    planted = await signed_in(world)
    fresh = await signed_in(world, instead_of=planted)
    assert planted.reveal() != fresh.reveal()
    assert await is_out(world, planted)
    assert not await is_out(world, fresh)
    assert await is_out(world, Secret("eclcon_" + "0" * 32 + "_" + "a" * 43))
    await world.services.console_sessions.sign_out(fresh)
    assert await is_out(world, fresh)


async def test_a_technician_gets_no_session(world: World) -> None:
    """Right password and code of somebody who is none of the staff begin nothing."""
    with pytest.raises(Forbidden):
        await signed_in(world, "alice")


async def test_a_suspension_ends_every_session_for_good(world: World) -> None:
    """Suspended, she is out at once, and what she held stays out after she is let in again."""
    shown, people, dsi = await signed_in(world), world.services.people, world.who("dsi")
    await people.suspend(dsi, world.id, world.who("rssi"), reason="essai")
    assert await is_out(world, shown)
    await people.resume(dsi, world.id, world.who("rssi"), reason="essai")
    assert await is_out(world, shown)


async def test_new_factors_end_every_session(world: World) -> None:
    """Whoever holds her browser is out as soon as her factors are renewed."""
    shown = await signed_in(world)
    await world.services.people.renew(world.who("dsi"), world.id, world.who("rssi"), reason="perdu")
    assert await is_out(world, shown)


async def test_a_code_grows_old_and_another_one_is_asked(world: World) -> None:
    """A code given long ago does not do for a sensitive act; a new one does, and none serves twice."""
    sessions, shown = world.services.console_sessions, await signed_in(world)
    assert (await visitor(world, shown)).fresh
    later(world, timedelta(minutes=11))
    stale = await visitor(world, shown)
    assert not stale.fresh
    with pytest.raises(Forbidden):
        await sessions.read(stale, TRACE, "Plainte du service")
    code = world.code("rssi")
    fresh = await sessions.prove(stale, code, HERE)
    assert fresh.fresh
    assert (await visitor(world, shown)).fresh
    with pytest.raises(AuthenticationFailed):
        await sessions.prove(stale, code, HERE)


async def test_guessing_codes_in_a_session_locks_like_everywhere(world: World) -> None:
    """Three wrong codes lock her login from there, at the door too; a right one then opens nothing."""
    sessions, shown = world.services.console_sessions, await signed_in(world)
    later(world, timedelta(minutes=11))
    stale = await visitor(world, shown)
    for guess in ("000000", "000001", "000002"):
        with pytest.raises(AuthenticationFailed):
            await sessions.prove(stale, guess, HERE)
    with pytest.raises(LockedOut):
        await sessions.prove(stale, world.code("rssi"), HERE)
    with pytest.raises(LockedOut):
        await sessions.sign_in(world.id, "rssi", world.passwords["rssi"], world.code("rssi"), HERE)


async def test_a_trace_is_read_in_one_session_with_a_reason(world: World) -> None:
    """The security role, a reason and a fresh code let one session read one trace, and no other session."""
    sessions, mine = world.services.console_sessions, await visitor(world, await signed_in(world))
    with pytest.raises(InvalidInput):
        await sessions.read(mine, TRACE, "  ")
    planner = await visitor(world, await signed_in(world, "dsi"))
    assert Role.SECURITY not in planner.roles
    with pytest.raises(Forbidden):
        await sessions.read(planner, TRACE, "Curiosité")
    await sessions.read(mine, TRACE, "Plainte du service")
    found = await sessions.reading(mine, TRACE)
    assert found is not None
    assert found.reason == "Plainte du service"
    assert await sessions.reading(mine, "1" * 32) is None
    other = await visitor(world, await signed_in(world))
    assert await sessions.reading(other, TRACE) is None
    await sessions.sign_out(await signed_in(world))
