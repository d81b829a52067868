"""Passwords: which may be chosen, and how they are checked."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest

from policy.authn.passwords import Busy, Passwords, PasswordSettings
from policy.errors import AuthenticationFailed, InvalidInput
from policy.vault.secret import Secret

GOOD = Secret("vif-Rhubarbe.41-tuba")
CHEAP = PasswordSettings(passes=1, memory=8, lanes=1, waiting=3)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Passwords with parameters too weak for anything but a test."""
    made = Passwords(CHEAP)
    yield made
    made.close()


def refused(passwords: Passwords, text: str) -> str | None:
    """Why *text* may not be alice's password, None if it may."""
    words = ("Alice Durand-Martel", "alice@imagix.example", "CH Nulle-Part")
    try:
        passwords.check_policy(Secret(text), login="alice", words=words)
    except InvalidInput as error:
        return error.message
    return None


@pytest.mark.parametrize(
    "text",
    [
        GOOD.reveal(),
        "tuba rhubarbe granit kayak",
        "kJ8#vP2!xQ9$",
        "Ünïcödé-klàvier-böse",
        "пароль-жираф-окно",
        "x7 Fq9 zT2 mW4",
    ],
)
def test_unpredictable_passwords_are_taken(passwords: Passwords, text: str) -> None:
    """Unrelated words, random characters, any script."""
    assert refused(passwords, text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Password2026!",
        "P@ssw0rd1234",
        "motdepasse2025",
        "M0td3P@ss3!!!",
        "azertyuiop12",
        "AZERTYUIOPQS",
        "qwertyuiop123",
        "1qaz2wsx3edc",
        "zxcvbnmasdfg",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "abcdefghijkl",
        "987654321098",
        "123456789012",
        "Alice-Durand-2026",
        "AliceAlice2026!",
        "durandmartel1",
        "Imagix-Alice-01",
        "Nulle-Part-2026!",
        "Soleil-Scanner-2026",
        "été2026été2026",
        "bienvenue!!!!",
        "letmeinletmein",
        "            ",
        "P a s s w o r d",
        "admin-admin-admin",
        "Ｐａｓｓｗｏｒｄ２０２６",
    ],
)
def test_predictable_passwords_are_refused(passwords: Passwords, text: str) -> None:
    """Common words and their disguises, runs, repeats, years, names: long is not enough; none is repeated."""
    why = refused(passwords, text)
    assert why is not None
    assert text not in why


@pytest.mark.parametrize(
    ("text", "taken"), [("vR7-tuba.41k", True), ("vR7-tuba.41", False), ("\ufb03" * 4, False)]
)
def test_twelve_characters_are_counted_after_normalising(
    passwords: Passwords, text: str, taken: bool
) -> None:
    """Twelve pass, eleven do not."""
    assert (refused(passwords, text) is None) == taken


def test_combining_marks_do_not_make_a_password_longer(passwords: Passwords) -> None:
    """Eleven letters of which one is typed as letter plus accent are still eleven."""
    why = refused(passwords, "vR7-tuba.4e\u0301")
    assert why is not None
    assert "12 characters" in why


@pytest.mark.parametrize(
    "text", ["tuba\nrhubarbe.41k", "tuba\0rhubarbe.41k", "tuba\x7frhubarbe.41k", "tuba\ud800rhubarbe.41k"]
)
def test_control_characters_are_refused(passwords: Passwords, text: str) -> None:
    """What a terminal would act on, or no keyboard sends, is no part of a password."""
    assert "control" in (refused(passwords, text) or "")


def test_long_input_is_bounded(passwords: Passwords) -> None:
    """1024 bytes are taken, more are refused, also when only normalising makes them more."""
    long = "".join(chr(0x21 + n * 7 % 90) for n in range(1024))
    assert refused(passwords, long) is None
    assert "1024" in (refused(passwords, long + "x") or "")
    assert "1024" in (refused(passwords, "\ufdfa" * 1000) or "")
    with pytest.raises(InvalidInput):
        passwords.hash(Secret("x" * 10**7))


def test_the_default_parameters_are_those_of_rfc_9106() -> None:
    """Second recommended option: t=3, m=64 MiB, p=4, Argon2id."""
    made = Passwords()
    try:
        parameters = argon2.extract_parameters(made.hash(GOOD))
    finally:
        made.close()
    assert (parameters.type, parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (
        argon2.Type.ID,
        3,
        65536,
        4,
    )


def test_the_right_password_passes_in_any_unicode_form(passwords: Passwords) -> None:
    """Composed or decomposed, full-width or not: what a keyboard sends differs between systems."""
    stored = passwords.hash(Secret("caf\u00e9-tuba-rhubarbe"))
    for typed in ("caf\u00e9-tuba-rhubarbe", "cafe\u0301-tuba-rhubarbe", "ｃafé-tuba-rhubarbe"):
        passwords.verify(stored, Secret(typed))


@pytest.mark.parametrize("typed", ["", "vif-Rhubarbe.41-tub", "VIF-rhubarbe.41-tuba", "x" * 10**6, "\ud800"])
def test_a_wrong_password_fails_without_a_reason(passwords: Passwords, typed: str) -> None:
    """Empty, near, in another case, oversized or broken: one message."""
    with pytest.raises(AuthenticationFailed) as failed:
        passwords.verify(passwords.hash(GOOD), Secret(typed))
    assert str(failed.value) == "authentication failed"


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA"])
def test_a_damaged_hash_fails_closed(passwords: Passwords, stored: str) -> None:
    """A row that holds no sound hash lets nobody in."""
    with pytest.raises(AuthenticationFailed):
        passwords.verify(stored, GOOD)


def test_an_oversized_password_does_not_match_a_hash_of_nothing(passwords: Passwords) -> None:
    """It is compared as if empty, and fails even then."""
    with pytest.raises(AuthenticationFailed):
        passwords.verify(passwords.hash(Secret("")), Secret("x" * 5000))


@pytest.mark.parametrize("case", ["unknown", "known", "oversized", "oversized unknown"])
def test_every_case_costs_one_argon2_verification(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Unknown person, wrong password, oversized password: the same work at the same parameters."""
    seen: list[str] = []
    real = argon2.PasswordHasher.verify

    def counting(self: argon2.PasswordHasher, hash_: str, password: bytes) -> bool:
        seen.append(hash_)
        return real(self, hash_, password)

    stored = None if "unknown" in case else passwords.hash(GOOD)
    typed = Secret("x" * 5000 if "oversized" in case else "wrong-tuba-12")
    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    with pytest.raises(AuthenticationFailed):
        passwords.verify(stored, typed)
    assert len(seen) == 1
    parameters = argon2.extract_parameters(seen[0])
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (1, 8, 1)


def test_nobodys_hash_is_drawn_in_the_form_of_a_hash(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in for who has no password is as long in every part as a hash, new each time, and costs a start nothing."""
    seen: list[str] = []
    real = argon2.PasswordHasher.verify

    def noting(self: argon2.PasswordHasher, hash_: str, password: bytes) -> bool:
        seen.append(hash_)
        return real(self, hash_, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noting)
    shape = [len(part) for part in passwords.hash(GOOD).split("$")]
    monkeypatch.setattr(argon2.PasswordHasher, "hash", None)
    for each in (passwords, Passwords(CHEAP)):
        with pytest.raises(AuthenticationFailed):
            each.verify(None, GOOD)
    first, second = (text.split("$") for text in seen)
    assert [len(part) for part in first] == [len(part) for part in second] == shape
    assert first[:4] == second[:4]
    assert set(first[4:]).isdisjoint(second[4:])


def test_nobodys_hash_is_always_one_that_argon2_computes_against(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many drawn ones is decoded, worked on and found not to match: one that is refused at once would tell who is unknown."""
    raised: list[type[Exception]] = []
    real = argon2.PasswordHasher.verify

    def noting(self: argon2.PasswordHasher, hash_: str, password: bytes) -> bool:
        try:
            return real(self, hash_, password)
        except Exception as error:
            raised.append(type(error))
            raise

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noting)
    for _ in range(200):
        made = Passwords(CHEAP)
        with pytest.raises(AuthenticationFailed):
            made.verify(None, GOOD)
        made.close()
    assert raised == [argon2.exceptions.VerifyMismatchError] * 200


def test_a_hash_of_other_parameters_asks_for_a_new_one(passwords: Passwords) -> None:
    """So that stronger settings reach everybody at their next log-in."""
    stored = passwords.hash(GOOD)
    stronger = Passwords(PasswordSettings(passes=2, memory=16, lanes=1))
    try:
        assert stronger.needs_rehash(stored)
        stronger.verify(stored, GOOD)
    finally:
        stronger.close()
    assert not passwords.needs_rehash(stored)


async def test_hashing_runs_outside_the_loop(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sessions' keystrokes do not wait for Argon2."""
    threads: list[str] = []
    real = argon2.PasswordHasher.verify

    def noting(self: argon2.PasswordHasher, hash_: str, password: bytes) -> bool:
        threads.append(threading.current_thread().name)
        return real(self, hash_, password)

    stored = await passwords.hash_apart(GOOD)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", noting)
    await passwords.verify_apart(stored, GOOD)
    assert threads
    assert all(name.startswith("argon2") for name in threads)


async def test_more_log_ins_than_there_is_room_for_are_turned_away(passwords: Passwords) -> None:
    """Beyond the workers and the line, Busy at once; a place that is left is free again."""
    leave = asyncio.Event()

    async def hold() -> None:
        async with passwords.turn():
            await leave.wait()

    holders = [asyncio.create_task(hold()) for _ in range(CHEAP.workers + CHEAP.waiting)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as turned_away:
        async with passwords.turn():
            pass
    assert str(turned_away.value) == "authentication failed"
    leave.set()
    await asyncio.gather(*holders)
    async with passwords.turn():
        pass


def test_the_repository_holds_no_word_list_it_does_not_explain() -> None:
    """The built-in list says that it is short and our own."""
    import policy.authn.denylist as module

    text = Path(module.__file__).read_text(encoding="utf-8")
    assert "not a breach corpus" in text
