"""Lock-out on a real store: counted before checking, kept over a restart, one answer for everybody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.ids import new_id
from policy.domain.logins import LoginReason, LoginResult
from policy.domain.people import Person
from policy.errors import AuthenticationFailed, LockedOut
from policy.vault.secret import Secret
from tests.support.login_house import RIGHT, SITE, STRANGER, House, another_process, open_house

WRONG = Secret("another-password-99")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A hospital with alice, bob and mallory enrolled."""
    async with open_house(tmp_path) as made:
        yield made


async def enter(
    house: House, login: str, source: str = SITE, password: Secret = RIGHT, code: str = ""
) -> Person:
    """Log in with the present code, or with *code*."""
    attempt = await house.login.begin(login, source)
    return await attempt.check_password_and_code(password, code or house.code())


async def guess(house: House, login: str, source: str = SITE, times: int = 1) -> None:
    """Guess wrong *times* times, each heard."""
    for _ in range(times):
        with pytest.raises(AuthenticationFailed) as failed:
            await enter(house, login, source, WRONG)
        assert not isinstance(failed.value, LockedOut)


def count_checks(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return a list that grows with every password verification of *house*."""
    seen: list[str | None] = []
    real = house.passwords.verify_apart

    async def counting(password_hash: str | None, password: Secret) -> None:
        seen.append(password_hash)
        await real(password_hash, password)

    monkeypatch.setattr(house.passwords, "verify_apart", counting)
    return seen


async def test_the_right_factors_wait_for_the_end_of_a_lock(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three failures even the right factors are refused, unheard, until the minute is over."""
    await guess(house, "alice", times=3)
    checks = count_checks(house, monkeypatch)
    end = house.clock.now() + timedelta(seconds=60)
    attempt = await house.login.begin("alice", SITE)
    assert attempt.locked_until == end
    with pytest.raises(LockedOut) as locked:
        await attempt.check_password_and_code(RIGHT, house.code())
    assert locked.value.until == end
    assert checks == []
    outcome = house.outcomes[-1]
    assert (outcome.result, outcome.reason) == (LoginResult.LOCKED, LoginReason.TOO_MANY_FAILURES)
    assert outcome.locked_until == end
    house.clock.advance(timedelta(seconds=60) - timedelta(microseconds=1))
    with pytest.raises(LockedOut):
        await enter(house, "alice")
    house.clock.advance(timedelta(microseconds=1))
    assert (await enter(house, "alice")).login == "alice"


async def test_a_refusal_while_locked_does_not_prolong_the_lock(house: House) -> None:
    """Who keeps trying during the minute waits no longer than the minute."""
    await guess(house, "alice", times=3)
    for _ in range(20):
        house.clock.advance(timedelta(seconds=2))
        with pytest.raises(LockedOut):
            await enter(house, "alice")
    house.clock.advance(timedelta(seconds=20))
    await enter(house, "alice")


async def test_the_lock_grows_with_each_failure_after_it(house: House) -> None:
    """60 s, then 120, then 240."""
    await guess(house, "alice", times=3)
    for seconds in (60, 120, 240):
        house.clock.advance(timedelta(seconds=seconds) - timedelta(microseconds=1))
        with pytest.raises(LockedOut):
            await enter(house, "alice")
        house.clock.advance(timedelta(microseconds=1))
        await guess(house, "alice")


async def test_a_success_resets_the_pair(house: House) -> None:
    """Two mistakes, a success, two mistakes: not locked; the third after the success locks."""
    await guess(house, "alice", times=2)
    await enter(house, "alice")
    await guess(house, "alice", times=3)
    with pytest.raises(LockedOut):
        await enter(house, "alice")


async def test_a_lock_survives_a_restart(house: House) -> None:
    """A gateway that starts anew knows the failures of the one before."""
    await guess(house, "alice", times=3)
    async with another_process(house) as restarted:
        with pytest.raises(LockedOut):
            await enter(restarted, "alice")


async def test_a_stranger_cannot_lock_alice_out_of_her_site(house: House) -> None:
    """Failures from dozens of undeclared addresses lock those addresses and never alice at work."""
    for number in range(1, 21):
        await guess(house, "alice", f"198.51.100.{number}", times=3)
    with pytest.raises(LockedOut):
        await enter(house, "alice", "198.51.100.1")
    assert (await enter(house, "alice", SITE)).login == "alice"


async def test_failures_from_her_suppliers_addresses_lock_alice_everywhere(house: House) -> None:
    """Ten failures spread over declared addresses lock her from any, and her colleague from none."""
    for number in range(10):
        await guess(house, "alice", f"192.0.2.{100 + number}")
    for source in (SITE, STRANGER, "192.0.2.200"):
        with pytest.raises(LockedOut):
            await enter(house, "alice", source)
    await enter(house, "bob", SITE)


async def test_staff_without_a_supplier_are_locked_by_pair_only(house: House) -> None:
    """The hospital's own people have no declared addresses: nobody can lock them from everywhere."""
    for number in range(1, 31):
        await guess(house, "mallory", f"192.0.2.{100 + number}")
    await enter(house, "mallory", SITE)


async def test_guessing_over_many_names_locks_the_source(house: House) -> None:
    """Ten names from one address lock it for everybody there; other addresses go on."""
    for number in range(10):
        await guess(house, f"name{number}", STRANGER)
    with pytest.raises(LockedOut):
        await enter(house, "bob", STRANGER)
    await enter(house, "bob", SITE)


@pytest.mark.parametrize("login", ["alice", "nobody"])
async def test_an_unknown_name_is_locked_like_a_known_one(house: House, login: str) -> None:
    """Locks by pair, from declared addresses and by source do not tell who exists."""
    await guess(house, login, STRANGER, times=3)
    with pytest.raises(LockedOut):
        await enter(house, login, STRANGER)
    for number in range(10):
        await guess(house, login, f"192.0.2.{100 + number}")
    with pytest.raises(LockedOut):
        await enter(house, login, SITE)


async def test_twenty_guesses_at_once_get_three_checks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parallel brute force over two processes is heard no more often than one guess after the other."""
    async with another_process(house) as other:
        checks = count_checks(house, monkeypatch), count_checks(other, monkeypatch)
        begun = [await each.login.begin("alice", STRANGER) for each in (house, other) for _ in range(10)]
        results = await asyncio.gather(
            *(each.check_password_and_code(WRONG, "000000") for each in begun), return_exceptions=True
        )
    assert all(isinstance(result, AuthenticationFailed) for result in results)
    assert sum(isinstance(result, LockedOut) for result in results) == 17
    assert sum(len(each) for each in checks) == 3
    assert await house.attempts("alice") == ["failure"] * 3


async def test_one_code_used_at_once_in_two_processes_opens_once(house: House) -> None:
    """Password and code stolen and raced against their owner: one gets in, not both."""
    code = house.code()
    async with another_process(house) as other:
        begun = [
            await house.login.begin("alice", SITE),
            await other.login.begin("alice", STRANGER),
            await other.login.begin("alice", "2001:db8::5"),
        ]
        results = await asyncio.gather(
            *(each.check_password_and_code(RIGHT, code) for each in begun), return_exceptions=True
        )
    assert sum(isinstance(result, Person) for result in results) == 1
    assert sum(isinstance(result, AuthenticationFailed) for result in results) == 2


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_check_that_its_client_cancels_still_counts(
    house: House, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Cancelled after any number of turns of the loop, each of ten guesses is settled as a failure or unheard."""
    checks = count_checks(house, monkeypatch)
    for _ in range(10):
        attempt = await house.login.begin("alice", STRANGER)
        task = asyncio.create_task(attempt.check_password_and_code(WRONG, "000000"))
        for _turn in range(turns + 1):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, AuthenticationFailed)):
            await task
        assert attempt.factors == frozenset()
    await house.login.close()
    assert await house.attempts("alice") == ["failure"] * 3
    assert len(checks) == 3
    assert [outcome.result for outcome in house.outcomes].count(LoginResult.FAILURE) == 3


async def test_an_attempt_left_pending_by_a_crash_counts_as_a_failure(house: House) -> None:
    """A gateway killed in the middle of a check has not given the guesser a free try."""
    for _ in range(3):
        async with house.database.unit_of_work(None, house.clock) as work:
            await work.attempts.insert(
                Attempt(
                    id=new_id(),
                    hospital_id=house.hospital.id,
                    login="alice",
                    source=STRANGER,
                    origin=STRANGER,
                    at=house.clock.now(),
                    outcome=AttemptOutcome.PENDING,
                    kind=AttemptKind.PASSWORD_AND_CODE,
                )
            )
    with pytest.raises(LockedOut):
        await enter(house, "alice", STRANGER)
    house.clock.advance(timedelta(seconds=61))
    await guess(house, "alice", STRANGER)
    with pytest.raises(LockedOut) as locked:
        await enter(house, "alice", STRANGER)
    assert locked.value.until == house.clock.now() + timedelta(seconds=120)


async def test_a_flood_is_turned_away_unheard_and_counts_for_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the line of log-ins being checked the answer is the neutral one, without a check or a row."""
    release = asyncio.Event()

    async def stuck(_password_hash: str | None, _password: Secret) -> None:
        await release.wait()
        raise AuthenticationFailed("authentication failed")

    monkeypatch.setattr(house.passwords, "verify_apart", stuck)
    begun = [await house.login.begin(f"name{n}", f"198.51.100.{n}") for n in range(66)]
    tasks = [asyncio.create_task(each.check_password_and_code(WRONG, "000000")) for each in begun]
    await asyncio.sleep(0)
    with pytest.raises(AuthenticationFailed) as turned_away:
        await enter(house, "alice")
    assert str(turned_away.value) == "authentication failed"
    assert house.outcomes[-1].result is LoginResult.BUSY
    assert await house.attempts("alice") == []
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await guess(house, "alice")
