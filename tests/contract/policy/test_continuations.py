"""Further connections of one completed log-in: what is spared, and everything that must not pass by it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from policy.authn import ssh_keys
from policy.authn.passwords import Passwords
from policy.domain.access import RevocationScope
from policy.domain.factors import Factor
from policy.domain.logins import LoginOutcome, LoginReason
from policy.domain.retention import Retention
from policy.errors import AuthenticationFailed, InvalidInput, LockedOut
from policy.services import Services, build
from policy.services.login_attempt import LoginAttempt
from policy.services.pruning import PruningService
from policy.vault.secret import Secret
from tests.support.policy_world import CHEAP, HALF_AN_HOUR, World, host_key_line

HERE, ELSEWHERE, STRANGER = "127.0.0.1", "127.0.0.2", "203.0.113.9"
CONTINUED = frozenset({Factor.PASSWORD, Factor.CONTINUED_CODE})
WRONG = Secret("no-password-of-anybody-9")


class Door:
    """A hospital's door: log-ins as alice, and what the journal was told of each."""

    def __init__(self, world: World) -> None:
        """Watch the log-ins of *world*."""
        self.world = world
        self.told: list[LoginOutcome] = []
        self.code = ""
        world.services.login.journal_to(self._note)

    async def _note(self, outcome: LoginOutcome) -> None:
        self.told.append(outcome)

    def watch(self, services: Services) -> None:
        """Hear of the log-ins of another process too."""
        services.login.journal_to(self._note)

    async def allow(self, seconds: int = 60, connections: int = 3) -> None:
        """Have the hospital allow continuations."""
        world = self.world
        await world.services.hospitals.allow_continuations(
            world.who("dsi"), world.id, seconds=seconds, connections=connections
        )

    async def begin(
        self, source: str = HERE, device: str | None = "scan01", services: Services | None = None
    ) -> LoginAttempt:
        """Begin a log-in of alice's."""
        found = services or self.world.services
        return await found.login.begin("alice", source, hospital_id=self.world.id, device=device)

    async def enter(self, password: Secret | None = None, **how: Any) -> frozenset[Factor]:
        """Log in with the password and the code that was used before; return what counted."""
        attempt = await self.begin(**how)
        await attempt.check_password_and_code(password or self.world.passwords["alice"], self.code)
        return attempt.factors

    async def first(self, **how: Any) -> None:
        """Log in with a code of its own."""
        self.world.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]  # a ManualClock
        self.code = self.world.code("alice")
        assert await self.enter(**how) == {Factor.PASSWORD, Factor.TOTP}

    async def replayed(self, **how: Any) -> None:
        """Log in again, which is refused as a code used twice is."""
        with pytest.raises(AuthenticationFailed):
            await self.enter(**how)
        assert self.told[-1].reason is LoginReason.REPLAYED_CODE


@pytest.fixture
async def door(world: World) -> Door:
    """A hospital that allows three further connections within a minute."""
    made = Door(world)
    await made.allow()
    return made


@pytest.fixture
async def other_process(world: World) -> AsyncIterator[Services]:
    """Another gateway on the same database."""
    services = await build(world.services.settings, world.clock, passwords=Passwords(CHEAP))
    yield services
    await services.close()


async def test_a_code_serves_once_unless_the_hospital_says_otherwise(world: World) -> None:
    """Off by default: the second connection is refused, as is any after the rule was taken back."""
    closed = Door(world)
    await closed.first()
    await closed.replayed()
    await closed.allow()
    await closed.first()
    await closed.allow(0, 0)
    await closed.replayed()


@pytest.mark.parametrize(("seconds", "connections"), [(121, 1), (60, 9), (60, 0), (0, 4), (-1, 1)])
async def test_the_rule_has_bounds(world: World, seconds: int, connections: int) -> None:
    """At most two minutes and eight connections, and no half of a rule."""
    with pytest.raises(InvalidInput):
        await Door(world).allow(seconds, connections)


async def test_so_many_connections_and_no_more(door: Door) -> None:
    """Three continue, each told to the journal as what it is; the fourth needs a code, and ends the matter."""
    await door.first()
    for number in (1, 2, 3):
        assert await door.enter() == CONTINUED
        told = door.told[-1]
        assert (told.reason, told.factors) == (LoginReason.CONTINUED, CONTINUED)
        assert f"connection {number} of 3" in (told.detail or "")
    await door.replayed()
    await door.replayed()


async def test_not_past_its_end(door: Door) -> None:
    """Half-open: within the life, and not at its last instant, though the code is still one of this minute."""
    await door.allow(20, 3)
    await door.first()
    door.world.clock.advance(timedelta(seconds=19))  # type: ignore[attr-defined]  # a ManualClock
    assert await door.enter() == CONTINUED
    door.world.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]  # the same
    await door.replayed()


@pytest.mark.parametrize(
    "how",
    [
        {"source": ELSEWHERE},
        {"source": STRANGER},
        {"device": "scan02"},
        {"device": None},
        {"device": "../scan01"},
    ],
    ids=["another-source", "a-stranger", "another-device", "no-device", "hostile-device"],
)
async def test_stolen_password_and_code_open_nothing_else(door: Door, how: dict[str, Any]) -> None:
    """From another address, to another device or to none, a used code is a used code."""
    await door.first()
    await door.replayed(**how)


async def test_a_log_in_without_a_device_is_never_continued(door: Door) -> None:
    """The menu, or a jump that names its device later, leaves nothing open."""
    await door.first(device=None)
    await door.replayed(device=None)
    await door.replayed()


async def test_a_wrong_password_ends_it_for_the_right_one(door: Door) -> None:
    """Whoever holds the code alone has one try, not as many as there are connections left."""
    await door.first()
    with pytest.raises(AuthenticationFailed):
        await door.enter(WRONG)
    await door.replayed()


async def test_a_stranger_who_fails_does_not_end_it(door: Door) -> None:
    """Failures from where nobody of hers works are not hers: they neither lock nor hinder her."""
    await door.first()
    with pytest.raises(AuthenticationFailed):
        await door.enter(WRONG, source=STRANGER)
    assert await door.enter() == CONTINUED


async def test_a_lock_out_is_not_gone_around(door: Door) -> None:
    """Locked, nothing is heard; unlocked by time, the continuation is dead though its time is not up."""
    await door.allow(120, 8)
    key = ssh_keys.parse(await _key(door)).blob
    door.world.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]  # a ManualClock
    attempt = await door.begin()
    assert await attempt.key_proved(key) is None
    await attempt.check_code(door.world.code("alice"))
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await door.enter(WRONG)
    with pytest.raises(LockedOut):
        await (await door.begin()).key_proved(key)
    door.world.clock.advance(timedelta(seconds=61))  # type: ignore[attr-defined]  # the same
    assert await (await door.begin()).key_proved(key) is None


Change = Callable[[World], Awaitable[object]]
WHY = {"reason": "essai"}


def _turned(noun: str, target: Callable[[World], str]) -> Change:
    """Suspend and resume at once: things stand as before, and it is over all the same."""

    async def turn(world: World) -> None:
        service = getattr(world.services, noun)
        await service.suspend(world.who("rssi"), world.id, target(world), **WHY)
        await service.resume(world.who("rssi"), world.id, target(world), **WHY)

    return turn


def _cut(scope: RevocationScope, target: Callable[[World], str]) -> Change:
    def cut(world: World) -> Awaitable[object]:
        who = world.who("rssi")
        return world.services.revocations.cut(who, world.id, scope, target(world), "essai")

    return cut


async def _cut_session(world: World) -> None:
    grant = await world.grant()
    await world.services.access.session_opened(grant, "gw1")
    scope = RevocationScope.SESSION
    await world.services.revocations.cut(world.who("rssi"), world.id, scope, grant.session_id, "essai")


async def _suspend_account(world: World) -> None:
    await world.services.devices.suspend_account(world.who("rssi"), world.id, world.account.id, **WHY)


async def _cancel(world: World) -> None:
    await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, **WHY)


async def _shorten(world: World) -> None:
    end = world.clock.now() + HALF_AN_HOUR
    await world.services.windows.shorten(world.who("dsi"), world.id, world.window.id, end=end)


CHANGES: dict[str, Change] = {
    "person-cut": _cut(RevocationScope.PERSON, lambda world: world.who("alice")),
    "supplier-cut": _cut(RevocationScope.SUPPLIER, lambda world: world.supplier.id),
    "device-cut": _cut(RevocationScope.DEVICE, lambda world: world.device.id),
    "all-cut": _cut(RevocationScope.ALL, lambda _world: ""),
    "session-cut": _cut_session,
    "person-suspended": _turned("people", lambda world: world.who("alice")),
    "supplier-suspended": _turned("suppliers", lambda world: world.supplier.id),
    "device-suspended": _turned("devices", lambda world: world.device.id),
    "account-suspended": _suspend_account,
    "window-cancelled": _cancel,
    "window-shortened": _shorten,
    "renewed": lambda world: world.services.people.renew(
        world.who("dsi"), world.id, world.who("alice"), **WHY
    ),
    "unlocked": lambda world: world.services.people.unlock(world.who("dsi"), world.id, world.who("alice")),
    "key-added": lambda world: world.services.people.add_key(
        world.who("dsi"), world.id, world.who("alice"), host_key_line()
    ),
    "rule-changed": lambda world: world.services.hospitals.allow_continuations(
        world.who("dsi"), world.id, seconds=120, connections=8
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_touches_it_ends_it(door: Door, change: str) -> None:
    """After a cut, a suspension, a renewal or a changed window the next connection needs a code of its own."""
    await door.first()
    assert await door.enter() == CONTINUED
    await CHANGES[change](door.world)
    with pytest.raises(AuthenticationFailed):
        await door.enter()
    assert door.told[-1].reason is not LoginReason.CONTINUED


async def test_what_touches_somebody_else_does_not(door: Door) -> None:
    """A change about another person, and housekeeping, leave alice's log-in as it is."""
    await door.first()
    world = door.world
    await world.services.people.suspend(world.who("rssi"), world.id, world.who("bob"), **WHY)
    assert await door.enter() == CONTINUED
    async with world.services.database.unit_of_work(None, world.clock) as work:
        await work.emit("store.pruned", world.id, world.id, {}, {"attempts": 1})
    assert await door.enter() == CONTINUED


async def test_over_two_processes_and_in_parallel_no_more_than_allowed(
    door: Door, other_process: Services
) -> None:
    """Ten at once on two gateways: three continue, whoever asks first."""
    door.watch(other_process)
    await door.first()

    async def one(services: Services) -> bool:
        try:
            return await door.enter(services=services) == CONTINUED
        except AuthenticationFailed:
            return False

    let_in = await asyncio.gather(*(one(each) for each in [door.world.services, other_process] * 5))
    assert sum(let_in) == 3


async def test_a_key_continues_without_a_code(door: Door, other_process: Services) -> None:
    """Signed with again, the same key is enough on either process; another of her keys, or another place, is not."""
    key, other = ssh_keys.parse(await _key(door)).blob, ssh_keys.parse(await _key(door)).blob
    door.world.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]  # a ManualClock
    attempt = await door.begin()
    assert await attempt.key_proved(key) is None
    await attempt.check_code(door.world.code("alice"))
    again = await door.begin(services=other_process)
    door.watch(other_process)
    assert (person := await again.key_proved(key)) is not None
    assert person.login == "alice"
    assert again.factors == {Factor.PUBLIC_KEY, Factor.CONTINUED_CODE}
    assert door.told[-1].reason is LoginReason.CONTINUED
    for blob, how in ((other, {}), (key, {"source": ELSEWHERE}), (key, {"device": None})):
        asked = await door.begin(**how)
        assert await asked.key_proved(blob) is None
        assert asked.factors == {Factor.PUBLIC_KEY}
    world = door.world
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "essai"
    )
    assert await (await door.begin()).key_proved(key) is None


async def test_a_password_log_in_is_not_continued_by_a_key(door: Door) -> None:
    """The factor that began it is the one that continues it."""
    key = ssh_keys.parse(await _key(door)).blob
    await door.first()
    assert await (await door.begin()).key_proved(key) is None


async def test_the_console_has_none(door: Door) -> None:
    """At the hospital's own door every log-in takes a code of its own."""
    await door.first()
    attempt = await door.world.services.login.begin(
        "alice", HERE, hospital_id=door.world.id, console=True, device="scan01"
    )
    with pytest.raises(AuthenticationFailed):
        await attempt.check_password_and_code(door.world.passwords["alice"], door.code)


async def test_what_lapsed_long_ago_is_removed(door: Door) -> None:
    """Housekeeping takes the row of a log-in that nobody can continue, and leaves one that somebody can."""
    world = door.world
    await door.first()
    settings = world.services.settings
    pruning = PruningService(world.services.database, world.clock, settings, Retention(), world.id)
    assert "continuations" not in await pruning.count(0)
    world.clock.advance(timedelta(days=730))  # type: ignore[attr-defined]  # a ManualClock
    assert (await pruning.prune(0))["continuations"] == 1


async def _key(door: Door) -> str:
    """Enrol a fresh key for alice, and return its line."""
    world, line = door.world, host_key_line()
    await world.services.people.add_key(world.who("dsi"), world.id, world.who("alice"), line)
    return line
