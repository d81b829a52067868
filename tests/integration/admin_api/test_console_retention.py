"""The console's pages of retention, holds and erasures: who sees what, two persons, and how they look."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from admin_api.console.staff.app import all_screens
from admin_api.console.staff.screens import REPLAYERS
from admin_api.retention.plan import Plan
from tests.support.api_house import House, open_house
from tests.support.console import look_at, session_of, signed_in, token_of
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def old_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of half a year: one session due soon, one of today."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        record(opened, lambda one: speak(one, "bonjour\r\n"))
        for _ in range(85):
            opened.clock.advance(2 * DAY)
            opened.run(opened.proofs.checkpoint("test", force=True))
        record(opened, lambda one: speak(one, "bonjour\r\n"))
        yield opened


@pytest.fixture(autouse=True)
def _calm(old_house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    old_house.clock.advance(timedelta(minutes=2))


def sessions(house: House) -> list[str]:
    """The closed sessions, the oldest first."""
    page = house.run(house.keeper.shelf.closed())
    return [one.header.session_id for one in page.traces]


def test_the_rule_is_changed_by_two_persons(old_house: House) -> None:
    """Asked for with a code, shown to all who may decide, approved by another only, below the floor by nobody."""
    with signed_in(old_house, "dsi") as client:
        page = client.get("/console/retention").text
        assert "Due within 30 days" in page
        assert "Alice Martin" in page
        token = token_of(client.get("/console/retention/set").text)
        form = {"form_token": token, "days": "80", "reason": "essai"}
        refused = client.post("/console/retention/set", data=form)
        assert (refused.status_code, "three months" in refused.text) == (422, True)
        taken = client.post("/console/retention/set", data={**form, "days": "100", "reason": "Avis du DPO"})
        assert taken.status_code == 303
        waits = client.get("/console/retention").text
        assert "asks for a shorter time, of 100 days" in waits
        assert "1 to decide" in waits
        rule = waits.partition("/console/retention/rules/")[2][:32]
        own = client.get(f"/console/retention/rules/{rule}").text
        assert "Another person approves" in own
        assert 'value="approve"' not in own
        form = {"form_token": token, "decision": "approve"}
        assert client.post(f"/console/retention/rules/{rule}", data=form).status_code == 403
    with signed_in(old_house, "denis") as client:
        form["form_token"] = token_of(client.get(f"/console/retention/rules/{rule}").text)
        assert client.post(f"/console/retention/rules/{rule}", data=form).status_code == 303
        assert "Recordings will be kept for 100 days" in client.get("/console/retention").text
        refuse = {**form, "decision": "refuse", "reason": "Enquête"}
        assert client.post(f"/console/retention/rules/{rule}", data=refuse).status_code == 303
    rule_now = old_house.run(old_house.world.services.retention.rule(old_house.world.id))
    assert rule_now.recordings_days == 183


def test_a_store_that_keeps_longer_than_the_rule_is_told(
    old_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a number of days that the store does not let be kept to, the page says how long it refuses."""
    with signed_in(old_house, "rssi") as client:
        assert "The trace store keeps longer" not in client.get("/console/retention").text
        plan = old_house.keeper.plan

        async def shorter(ahead: timedelta) -> Plan:
            found = await plan(ahead)
            return replace(found, rule=replace(found.rule, recordings_days=91))

        monkeypatch.setattr(old_house.keeper, "plan", shorter)
        assert "refuses to delete for 92 days" in client.get("/console/retention").text


def test_a_hold_is_placed_and_lifted(old_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a session's page to the list and the plan; an administrator sees it and cannot lift it; text stays text."""
    first = sessions(old_house)[0]
    erase = f"/console/sessions/{first}/erase"
    with signed_in(old_house, "rssi") as client:
        assert erase in client.get(f"/console/sessions/{first}").text
        assert f"holds/place?session={first}" in client.get(f"/console/sessions/{first}").text
        page = client.get(f"/console/retention/holds/place?session={first}").text
        assert first in page
        form = {"form_token": token_of(page), "case": HOSTILE, "reason": "Parquet", "session": first}
        nothing = client.post("/console/retention/holds/place", data={**form, "session": ""})
        assert (nothing.status_code, "say what is held" in nothing.text) == (422, True)
        assert client.post("/console/retention/holds/place", data=form).status_code == 303
        listed = client.get("/console/retention/holds").text
        assert "&lt;script&gt;" in listed
        assert "<script>alert" not in listed
        assert "stays: hold" in client.get("/console/retention").text
        held = client.get(f"/console/sessions/{first}").text
        assert "neither purge nor erasure" in held
        assert "<script>alert" not in held
        assert erase not in held  # it would be refused

        async def purged(names: Sequence[str]) -> dict[str, datetime]:
            return dict.fromkeys(names, old_house.clock.now())

        with monkeypatch.context() as gone:  # no hold keeps what is not there any more
            gone.setattr(old_house.keeper.shelf, "purged_at", purged)
            page = client.get(f"/console/sessions/{first}").text
            assert ("The recording is gone" in page, "neither purge nor erasure" in page) == (True, False)
        hold = listed.partition("/console/retention/holds/")[2]
        hold = listed.split("/lift")[0].rpartition("/")[2]
    with signed_in(old_house, "dsi") as client:
        assert "Parquet" in client.get("/console/retention/holds").text
        path = f"/console/retention/holds/{hold}/lift"
        assert client.get(path).status_code == 403
        token = token_of(client.get("/console/retention").text)
        assert client.post(path, data={"form_token": token, "reason": "oui"}).status_code == 403
    with signed_in(old_house, "rssi") as client:
        form = {"form_token": token_of(client.get(path).text), "reason": "classée"}
        assert client.post(path, data=form).status_code == 303
        assert "lifted, keeps still" in client.get("/console/retention/holds").text


def test_an_erasure_is_decided_by_another(old_house: House) -> None:
    """Asked for on the session's page, never approved by who asked, done a moment after, and told on the page."""
    last = sessions(old_house)[-1]
    with signed_in(old_house, "rssi") as client:
        form = {"form_token": token_of(client.get(f"/console/sessions/{last}/erase").text), "reason": "tiers"}
        assert client.post(f"/console/sessions/{last}/erase", data=form).status_code == 303
        listed = client.get("/console/retention/erasures").text
        path = "/console/retention/erasures/" + listed.partition('href="/console/retention/erasures/')[2][:32]
        page = client.get(path).text
        assert 'value="approve"' not in page
        own = {"form_token": token_of(page), "decision": "approve", "reason": "oui"}
        assert client.post(path, data=own).status_code == 403
    with signed_in(old_house, "denis") as client:
        page = client.get(path).text
        approve = {"form_token": token_of(page), "decision": "approve", "reason": "vu avec le DPO"}
        assert client.post(path, data=approve).status_code == 303
        old_house.run(old_house.keeper.erase())
        assert "erased" in client.get(path).text
    with signed_in(old_house, "rssi") as client:
        page = client.get(f"/console/sessions/{last}").text
        assert "The recording is gone" in page
        assert f"/console/sessions/{last}/read" not in page
        assert client.get(f"/console/sessions/{last}/read").status_code == 409


def test_a_planner_sees_none_of_it(old_house: House) -> None:
    """Retention is the business of security and administration; asking for an erasure is security's alone."""
    first = sessions(old_house)[0]
    with signed_in(old_house, "dsi") as client:
        assert client.get(f"/console/sessions/{first}/erase").status_code == 403
        assert client.get("/console/retention/holds/place").status_code == 403


def test_the_pages_of_retention_fit_telephones_and_screen_readers(old_house: House, tmp_path: Path) -> None:
    """In a real browser, in both languages, at both widths: nothing is wider than the page, axe-core finds nothing."""
    house, first = old_house, sessions(old_house)[0]
    services, rssi = house.world.services, house.world.who("rssi")
    hold = house.run(
        services.holds.place(
            rssi, house.world.id, case="Plainte 2026-114", reason="Demande du procureur", session_id=first
        )
    )
    rule = house.run(
        services.retention.ask(
            house.world.who("dsi"), house.world.id, recordings_days=120, reason="Avis du DPO"
        )
    )
    paths = (
        "/console/retention",
        "/console/retention/set",
        f"/console/retention/rules/{rule.id}",
        "/console/retention/holds",
        "/console/retention/holds/place",
        f"/console/retention/holds/{hold.id}/lift",
        "/console/retention/erasures",
        f"/console/sessions/{first}/erase",
    )
    look_at(house, paths, session_of(house, "rssi"), tmp_path)


def test_every_screen_of_a_recording_asks_why_first(old_house: House) -> None:
    """Each page that only the security role may ask of a session leads to the question why, and shows nothing before."""
    first = sessions(old_house)[0]
    asking = {f"/console/sessions/{{session_id}}/{form}" for form in ("read", "erase", "evidence")}
    screens = [
        screen.path
        for screen in all_screens()
        if screen.method == "GET" and screen.roles == REPLAYERS and "{session_id}" in screen.path
    ]
    assert len(screens) > 5
    with signed_in(old_house, "rssi") as client:
        for path in set(screens) - asking:
            answer = client.get(path.replace("{session_id}", first).replace("{number:int}", "0"))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith(f"/console/sessions/{first}/read"), path
