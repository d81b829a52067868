"""Nothing in the work done tells an unknown person from a wrong password or a wrong code.

Times are measured by ``bench/authentication.py``; here the work itself is compared, step by step.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import argon2
import pyotp
import pytest
from sqlalchemy import event

from policy.errors import AuthenticationFailed
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from tests.support.login_house import RIGHT, SITE, House, open_house

WRONG = Secret("another-password-99")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A hospital with alice, bob and mallory enrolled."""
    async with open_house(tmp_path) as made:
        yield made


async def work_of(
    house: House, monkeypatch: pytest.MonkeyPatch, login: str, password: Secret, code: str
) -> list[str]:
    """Every statement, Argon2 verification, unsealing and code computed while *login* fails to log in."""
    done: list[str] = []
    verify, unseal, generate = argon2.PasswordHasher.verify, Keyring.open, pyotp.TOTP.generate_otp

    def verifying(self: argon2.PasswordHasher, hash_: str, typed: bytes) -> bool:
        done.append(f"argon2 {argon2.extract_parameters(hash_)}")
        return verify(self, hash_, typed)

    def unsealing(self: Keyring, sealed: str, context: str) -> Secret:
        done.append("unseal")
        return unseal(self, sealed, context)

    def generating(self: pyotp.TOTP, step: int) -> str:
        done.append("code")
        return generate(self, step)

    def executing(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        done.append(statement)

    engine = house.database._engine.sync_engine
    with monkeypatch.context() as patched:
        patched.setattr(argon2.PasswordHasher, "verify", verifying)
        patched.setattr(Keyring, "open", unsealing)
        patched.setattr(pyotp.TOTP, "generate_otp", generating)
        event.listen(engine, "before_cursor_execute", executing)
        try:
            attempt = await house.login.begin(login, SITE)
            with pytest.raises(AuthenticationFailed) as failed:
                await attempt.check_password_and_code(password, code)
        finally:
            event.remove(engine, "before_cursor_execute", executing)
    done.append(f"{type(failed.value).__name__} {failed.value}")
    return done


async def test_every_failure_does_the_same_work_in_the_same_order(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown person, wrong password, wrong code, junk for a code, hostile name: one and the same trace."""
    async with house.database.unit_of_work(None, house.clock) as work:
        await work.credentials.forget((await house.person("mallory")).id)
    expected = await work_of(house, monkeypatch, "alice", WRONG, house.code())
    assert sum(step.startswith("argon2") for step in expected) == 1
    assert expected.count("unseal") == 1
    assert expected.count("code") == 3
    cases = [
        ("nobody", RIGHT, house.code()),
        ("nobody", WRONG, "junk"),
        ("\x1b[2J" * 999, RIGHT, house.code()),
        ("mallory", RIGHT, house.code()),
        ("bob", WRONG, "junk"),
        ("bob", RIGHT, "000000"),
        ("alice", Secret("x" * 5000), "9" * 5000),
    ]
    for login, password, code in cases:
        assert await work_of(house, monkeypatch, login, password, code) == expected, login[:20]


async def test_the_key_of_an_unknown_person_is_looked_for_all_the_same(house: House) -> None:
    """Offering a key under an unknown name asks the store the same questions as under a known one."""
    asked: dict[str, list[str]] = {}
    engine = house.database._engine.sync_engine
    for login in ("alice", "nobody"):
        asked[login] = []

        def executing(
            _c: object, _u: object, statement: str, *_rest: Any, to: list[str] = asked[login]
        ) -> None:
            to.append(statement)

        event.listen(engine, "before_cursor_execute", executing)
        try:
            attempt = await house.login.begin(login, SITE)
            assert not await attempt.offers_key(b"\0\0\0\x0bssh-ed25519")
        finally:
            event.remove(engine, "before_cursor_execute", executing)
    assert asked["alice"] == asked["nobody"]
