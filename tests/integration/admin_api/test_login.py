"""Log-in and enrolment through the real API."""

from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest

from recorder.audit.journal import JournalFilters
from tests.support.api_house import House, open_house


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house for each test: failures are remembered."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def _body(house: House, login: str, **changes: str) -> dict[str, str]:
    password = house.world.passwords[login].reveal()
    return {"login": login, "password": password, "code": house.next_code(login)} | changes


def test_password_and_code_give_a_token_that_serves(house: House) -> None:
    """Somebody with both factors gets a token that says who she is; the same code does not serve twice."""
    with house.client() as client:
        body = _body(house, "denis")
        answer = client.post("/v1/login", json=body)
        assert answer.status_code == 200, answer.text
        token = answer.json()["token"]
        me = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["person"]["login"] == "denis"
        assert me.json()["hospital"]["name"] == "CH de Test"
        assert client.post("/v1/login", json=body).status_code == 401


def test_an_unknown_person_and_a_wrong_factor_are_told_alike(house: House) -> None:
    """Unknown login, wrong password and wrong code give the same answer to the byte."""
    with house.client() as client:
        answers = [
            client.post("/v1/login", json=_body(house, "denis", password="n'importe quoi de long")),
            client.post("/v1/login", json=_body(house, "dsi", code="000000")),
            client.post("/v1/login", json=_body(house, "denis") | {"login": "personne"}),
            client.post("/v1/login", json=_body(house, "denis") | {"login": "../../etc\x00"}),
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_the_lock_out_is_the_one_of_the_other_door(house: House) -> None:
    """After three failures from here nothing is looked at, right factors included, until the time that is told."""
    with house.client() as client:
        for _ in range(3):
            client.post("/v1/login", json=_body(house, "denis", code="000000"))
        locked = client.post("/v1/login", json=_body(house, "denis"))
        assert locked.status_code == 429
        house.clock.advance(timedelta(seconds=int(locked.headers["retry-after"])))
        assert client.post("/v1/login", json=_body(house, "denis")).status_code == 200


def test_every_log_in_is_in_the_journal_with_its_true_reason(house: House) -> None:
    """The journal knows what the answer hid, and holds no password and no code."""
    with house.client() as client:
        client.post("/v1/login", json=_body(house, "denis", code="000000"))
        client.post("/v1/login", json=_body(house, "denis"))
    filters = JournalFilters(hospital_id=house.world.id, name="authentication")
    entries = house.run(house.journal.entries(filters)).entries
    assert [entry.event.name for entry in entries] == ["authentication.failed", "authentication.succeeded"]
    assert entries[0].event.details["reason"] == "wrong-code"
    assert entries[0].event.source == "127.0.0.1"
    told = b"".join(entry.content for entry in entries)
    assert house.world.passwords["denis"].reveal().encode() not in told


def test_an_invited_person_enrols_herself(house: House) -> None:
    """Invitation, password, TOTP, first code: then she logs in, and the invitation is used up."""
    with house.client("dsi") as boss, house.client() as stranger:
        invited = boss.post(f"/v1/people/{house.world.who('bob')}/invitation").json()["token"]
        chosen = "trois vaches bleues au plafond"
        weak = stranger.post("/v1/enrolment/password", json={"invitation": invited, "password": "court"})
        assert weak.json()["errors"][0]["field"] == "password"
        shown = stranger.post(
            "/v1/enrolment/password", json={"invitation": invited, "password": chosen}
        ).json()
        totp = pyotp.TOTP(shown["secret"])
        assert shown["uri"].startswith("otpauth://totp/")
        wrong = stranger.post("/v1/enrolment/confirm", json={"invitation": invited, "code": "000000"})
        assert wrong.status_code == 401
        code = totp.at(house.clock.now())
        done = stranger.post("/v1/enrolment/confirm", json={"invitation": invited, "code": code})
        assert done.json()["login"] == "bob"
        again = stranger.post("/v1/enrolment/password", json={"invitation": invited, "password": chosen})
        never = stranger.post("/v1/enrolment/password", json={"invitation": "junk", "password": chosen})
        assert (again.status_code, again.content) == (never.status_code, never.content)
        house.clock.advance(timedelta(seconds=30))
        body = {"login": "bob", "password": chosen, "code": totp.at(house.clock.now())}
        assert stranger.post("/v1/login", json=body).status_code == 200
