"""The log-in machine on a real store: who gets in, and with what."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policy.authn.passwords import Passwords, PasswordSettings
from policy.domain.logins import LoginReason, LoginResult
from policy.domain.people import Factor
from policy.errors import AuthenticationFailed, InvalidInput, LockedOut
from policy.services.login import LoginService
from policy.vault.secret import Secret
from tests.support.login_house import RIGHT, SITE, STRANGER, House, another_process, open_house

WRONG = Secret("another-password-99")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A hospital with alice, bob and mallory enrolled."""
    async with open_house(tmp_path) as made:
        yield made


def public_line() -> str:
    """A fresh public key."""
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


async def fails(house: House, login: str, password: Secret, code: str, source: str = SITE) -> LoginReason:
    """Log in, which must fail without a hint, and return the cause the journal got."""
    attempt = await house.login.begin(login, source)
    with pytest.raises(AuthenticationFailed) as failed:
        await attempt.check_password_and_code(password, code)
    assert type(failed.value) is AuthenticationFailed
    assert str(failed.value) == "authentication failed"
    assert attempt.factors == frozenset()
    return house.outcomes[-1].reason


async def test_password_and_code_let_alice_in(house: House) -> None:
    """Both factors right: the person, both factors, one success in the table and in the journal."""
    attempt = await house.login.begin("alice", SITE)
    assert attempt.locked_until is None
    assert attempt.factors == frozenset()
    person = await attempt.check_password_and_code(RIGHT, house.code())
    assert person.login == "alice"
    assert attempt.factors == {Factor.PASSWORD, Factor.TOTP}
    assert await house.attempts("alice") == ["success"]
    outcome = house.outcomes[-1]
    assert (outcome.result, outcome.reason) == (LoginResult.SUCCESS, LoginReason.ALL_FACTORS)
    assert (outcome.person_id, outcome.source, outcome.factors) == (person.id, SITE, attempt.factors)


async def test_one_wrong_factor_is_enough_to_fail(house: House) -> None:
    """Wrong password, wrong code, both: the same answer, each cause in the journal, each a failure."""
    assert await fails(house, "alice", WRONG, house.code()) is LoginReason.WRONG_PASSWORD
    assert await fails(house, "bob", RIGHT, "000000") is LoginReason.WRONG_CODE
    assert await fails(house, "mallory", WRONG, "junk") is LoginReason.WRONG_PASSWORD_AND_CODE
    for login in ("alice", "bob", "mallory"):
        assert await house.attempts(login) == ["failure"]


@pytest.mark.parametrize("steps", [-2, 2])
async def test_a_code_two_steps_away_is_refused(house: House, steps: int) -> None:
    """Only one step of drift is allowed."""
    assert await fails(house, "alice", RIGHT, house.code(steps)) is LoginReason.WRONG_CODE


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_code_serves_once(house: House, steps: int) -> None:
    """The same code, minutes or seconds later, from anywhere and in either dialogue, is refused as used."""
    code = house.code(steps)
    blob = await house.add_key("alice", public_line())
    await (await house.login.begin("alice", SITE)).check_password_and_code(RIGHT, code)
    assert await fails(house, "alice", RIGHT, code) is LoginReason.REPLAYED_CODE
    assert await fails(house, "alice", RIGHT, f"{code[:3]} {code[3:]}", STRANGER) is LoginReason.REPLAYED_CODE
    by_key = await house.login.begin("alice", SITE)
    await by_key.key_proved(blob)
    with pytest.raises(AuthenticationFailed):
        await by_key.check_code(code)
    assert house.outcomes[-1].reason is LoginReason.REPLAYED_CODE
    assert by_key.factors == {Factor.PUBLIC_KEY}


async def test_the_next_code_of_the_drift_is_another_code(house: House) -> None:
    """Having used one step does not spend its neighbours."""
    for steps in (0, 1, -1):
        attempt = await house.login.begin("alice", SITE)
        assert (await attempt.check_password_and_code(RIGHT, house.code(steps))).login == "alice"


async def test_a_used_code_of_one_person_is_not_used_for_another(house: House) -> None:
    """Uses are counted a person (here everybody shares a secret, so the codes are equal)."""
    for login in ("alice", "bob"):
        attempt = await house.login.begin(login, SITE)
        assert (await attempt.check_password_and_code(RIGHT, house.code())).login == login


async def test_a_wrong_password_does_not_burn_the_code(house: House) -> None:
    """Wrong password with the right code, then both right with that same code: in."""
    code = house.code()
    await fails(house, "alice", WRONG, code)
    await (await house.login.begin("alice", SITE)).check_password_and_code(RIGHT, code)


async def test_a_code_used_in_one_process_is_used_in_all(house: House) -> None:
    """Another gateway process refuses the code a moment later."""
    code = house.code()
    await (await house.login.begin("alice", SITE)).check_password_and_code(RIGHT, code)
    async with another_process(house) as other:
        assert await fails(other, "alice", RIGHT, code) is LoginReason.REPLAYED_CODE


async def test_key_then_code_lets_bob_in(house: House) -> None:
    """A key alone is one factor; the code makes two; the journal names the key."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("bob", SITE)
    assert await attempt.offers_key(blob)
    assert attempt.factors == frozenset()
    await attempt.key_proved(blob)
    assert attempt.factors == {Factor.PUBLIC_KEY}
    person = await attempt.check_code(house.code())
    assert person.login == "bob"
    assert attempt.factors == {Factor.PUBLIC_KEY, Factor.TOTP}
    assert (house.outcomes[-1].key_fingerprint or "").startswith("SHA256:")


async def test_a_code_without_a_proved_key_is_refused(house: House) -> None:
    """An offered key proves nothing: the code alone, even the right one, opens nothing."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("bob", SITE)
    await attempt.offers_key(blob)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(house.code())
    assert attempt.factors == frozenset()
    assert await house.attempts("bob") == []


async def test_offered_keys_are_no_failures(house: House) -> None:
    """An agent with fifty keys locks nobody out, offered or even signed with; only the last is hers."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("bob", SITE)
    for number in range(50):
        other = blob[:-2] + number.to_bytes(2, "big")
        assert not await attempt.offers_key(other)
        with pytest.raises(AuthenticationFailed):
            await attempt.key_proved(other)
    assert await house.attempts("bob") == []
    await attempt.key_proved(blob)
    await attempt.check_code(house.code())


async def test_a_key_proved_before_is_forgotten_by_a_wrong_one(house: House) -> None:
    """Proving a key and then signing with another leaves no factor behind."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("bob", SITE)
    await attempt.key_proved(blob)
    with pytest.raises(AuthenticationFailed):
        await attempt.key_proved(b"another")
    assert attempt.factors == frozenset()
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(house.code())


async def test_somebody_elses_key_is_no_key(house: House) -> None:
    """Bob's key opens nothing for alice."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("alice", SITE)
    assert not await attempt.offers_key(blob)
    with pytest.raises(AuthenticationFailed):
        await attempt.key_proved(blob)


async def test_a_key_removed_between_proof_and_code_is_refused(house: House) -> None:
    """The key is looked at again with the code."""
    line = public_line()
    blob = await house.add_key("bob", line)
    attempt = await house.login.begin("bob", SITE)
    await attempt.key_proved(blob)
    async with house.database.read() as view:
        (key,) = await view.credentials.ssh_keys((await house.person("bob")).id)
    async with house.database.unit_of_work(None, house.clock) as work:
        await work.credentials.delete_ssh_key(house.hospital.id, key.person_id, key.fingerprint)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_code(house.code())
    assert house.outcomes[-1].reason is LoginReason.UNKNOWN_KEY


async def test_wrong_codes_after_a_key_lock_the_pair(house: House) -> None:
    """Whoever stole a key has three guesses at the code, then a minute's wait."""
    blob = await house.add_key("bob", public_line())
    attempt = await house.login.begin("bob", STRANGER)
    await attempt.key_proved(blob)
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await attempt.check_code("000000")
    with pytest.raises(LockedOut):
        await attempt.check_code(house.code())
    again = await house.login.begin("bob", STRANGER)
    assert not await again.offers_key(blob)
    with pytest.raises(LockedOut):
        await again.key_proved(blob)


async def test_a_suspended_person_does_not_log_in(house: House) -> None:
    """All factors right, and still the neutral answer; the journal says why."""
    blob = await house.add_key("alice", public_line())
    alice = replace(await house.person("alice"), active=False)
    async with house.database.unit_of_work(None, house.clock) as work:
        await work.people.update(alice)
    assert await fails(house, "alice", RIGHT, house.code()) is LoginReason.INACTIVE_PERSON
    attempt = await house.login.begin("alice", SITE)
    assert not await attempt.offers_key(blob)
    with pytest.raises(AuthenticationFailed):
        await attempt.key_proved(blob)


async def test_a_person_suspended_between_the_beginning_and_the_check_does_not_log_in(house: House) -> None:
    """Facts are read again when they are decided on."""
    attempt = await house.login.begin("alice", SITE)
    alice = replace(await house.person("alice"), active=False)
    async with house.database.unit_of_work(None, house.clock) as work:
        await work.people.update(alice)
    with pytest.raises(AuthenticationFailed):
        await attempt.check_password_and_code(RIGHT, house.code())


async def test_a_person_who_has_not_enrolled_does_not_log_in(house: House) -> None:
    """Without a password or a confirmed TOTP secret nothing opens, whatever is typed."""
    person = await house.person("alice")
    async with house.database.unit_of_work(None, house.clock) as work:
        await work.credentials.forget(person.id)
    for password in (RIGHT, Secret("")):
        assert await fails(house, "alice", password, house.code()) is LoginReason.NOT_ENROLLED


async def test_a_totp_secret_moved_from_another_person_does_not_open(house: House) -> None:
    """Whoever writes her own sealed secret into alice's row locks alice out and gets nothing."""
    mallory, alice = await house.person("mallory"), await house.person("alice")
    async with house.database.unit_of_work(None, house.clock) as work:
        stolen = await work.credentials.totp_secret(mallory.id)
        assert stolen is not None
        await work.credentials.set_pending_totp_secret(alice.id, stolen)
        await work.credentials.confirm_totp_secret(alice.id)
    assert await fails(house, "alice", RIGHT, house.code()) is LoginReason.VAULT_CLOSED


@pytest.mark.parametrize(
    "login",
    ["nobody", "", "Alice", "alice\0", "alice ", "../alice", "\x1b[2J", "é" * 9, "a" * 65536, "\ud800", "?"],
)
async def test_an_unknown_or_hostile_login_fails_like_any_other(house: House, login: str) -> None:
    """Unknown, empty, look-alike, escape sequences, 64 KiB: a bounded row, a neutral answer, no crash."""
    assert await fails(house, login, RIGHT, house.code()) is LoginReason.UNKNOWN_PERSON
    outcome = house.outcomes[-1]
    assert len(outcome.login) <= 64
    assert outcome.login.isprintable()
    assert await house.attempts(outcome.login) == ["failure"]


@pytest.mark.parametrize("source", ["", "localhost", "1.2.3.4.5", "192.0.2.1; DROP TABLE"])
async def test_a_source_that_is_no_address_is_refused(house: House, source: str) -> None:
    """Lock-out counts by address, so there is none without."""
    with pytest.raises(InvalidInput):
        await house.login.begin("alice", source)


async def test_a_journal_that_cannot_be_written_keeps_everybody_out(house: House) -> None:
    """Right factors, but the outcome cannot be recorded: no person is returned and no factor proved."""

    async def full(_outcome: object) -> None:
        raise OSError(28, "No space left on device")

    house.login.journal_to(full)
    attempt = await house.login.begin("alice", SITE)
    with pytest.raises(OSError, match="No space"):
        await attempt.check_password_and_code(RIGHT, house.code())
    assert attempt.factors == frozenset()


async def test_a_weak_hash_is_renewed_at_the_next_success(house: House) -> None:
    """After the parameters were raised, a success stores a hash made with the new ones; a failure does not."""
    stronger = Passwords(PasswordSettings(passes=2, memory=16, lanes=1))
    login = LoginService(house.database, house.keyring, stronger, house.clock, house.settings)
    alice = await house.person("alice")
    try:
        with pytest.raises(AuthenticationFailed):
            await (await login.begin("alice", SITE)).check_password_and_code(WRONG, house.code())
        async with house.database.read() as view:
            assert stronger.needs_rehash(await view.credentials.password_hash(alice.id) or "")
        await (await login.begin("alice", SITE)).check_password_and_code(RIGHT, house.code())
        async with house.database.read() as view:
            renewed = await view.credentials.password_hash(alice.id) or ""
        assert not stronger.needs_rehash(renewed)
        house.clock.advance(timedelta(minutes=1))
        await (await login.begin("alice", SITE)).check_password_and_code(RIGHT, house.code())
    finally:
        await login.close()
        stronger.close()


async def test_no_secret_reaches_the_log_or_the_journal(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Passwords, codes and TOTP secrets are in no outcome and no log line, right or wrong."""
    caplog.set_level(0)
    code = house.code()
    await fails(house, "alice", WRONG, code)
    await (await house.login.begin("alice", SITE)).check_password_and_code(RIGHT, code)
    written = caplog.text + repr(house.outcomes)
    for secret in (RIGHT.reveal(), WRONG.reveal(), code, house.totp_secret.reveal()):
        assert secret not in written
