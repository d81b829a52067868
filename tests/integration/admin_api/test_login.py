"""Log-in, log-out and enrolment through the real API."""

from datetime import timedelta

import pyotp

from tests.support.api_house import House


def test_password_and_code_give_a_token_that_serves(house: House) -> None:
    """Somebody with both factors gets a token, and the token says who she is."""
    with house.client() as client:
        password = house.world.passwords["denis"].reveal()
        body = {"login": "denis", "password": password, "code": house.next_code("denis")}
        answer = client.post("/v1/login", json=body)
        assert answer.status_code == 200, answer.text
        token = answer.json()["token"]
        me = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["person"]["login"] == "denis"
        assert me.json()["hospital"]["name"] == "CH de Test"
