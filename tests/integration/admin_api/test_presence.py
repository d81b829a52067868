"""Who was on a device at an instant: by the API and by the command line, in sentences, on the hospital's clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from policy.domain.ids import SessionId
from recorder.trace.manifest import Manifest
from tests.support.api_house import START, House
from tests.support.console import signed_in
from tests.support.own_machine import Desk
from tests.support.traces import header

NIGHT = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
"""01:00 in Paris, two hours before the clocks go back."""


def stay(
    house: House, number: int, begin: datetime, lasts: timedelta | None, *, interrupted: bool = False
) -> str:
    """Note a session of alice on scan01 in the catalogue."""
    opened = header(
        f"{number:032x}",
        hospital_id=house.world.id,
        started_at=begin,
        person={"id": house.world.who("alice"), "login": "alice", "full_name": "Alice Martin"},
        supplier={"id": house.world.supplier.id, "name": "Imagix"},
        device={"id": house.world.device.id, "name": "scan01", "address": "127.0.0.1", "port": 22},
    )
    house.run(house.catalog.opened(opened))
    if lasts is not None:
        manifest = Manifest(
            session_id=opened.session_id, hospital_id=house.world.id, node="n", suite=0, header_digest="0" * 64,
            records=1, size=1, last_chain="0" * 64, opened_at=begin, closed_at=begin + lasts, end_reason="left",
            interrupted=interrupted, trimmed_bytes=0, files=(), signer="0" * 16,
        )  # fmt: skip
        house.run(house.catalog.closed(manifest, "0" * 64))
    return opened.session_id


@pytest.fixture(scope="module", autouse=True)
def sessions(house: House) -> dict[str, str]:
    """One by day, one within each of the two equal hours of a night in October, one lost."""
    return {
        "evening": stay(house, 1, datetime(2026, 11, 22, 19, 45, tzinfo=UTC), timedelta(minutes=55)),
        "first": stay(house, 2, NIGHT + timedelta(hours=1, minutes=20), timedelta(minutes=20)),
        "second": stay(house, 3, NIGHT + timedelta(hours=2, minutes=20), timedelta(minutes=20)),
        "lost": stay(house, 4, datetime(2026, 11, 20, 8, 0, tzinfo=UTC), None),
    }


def asked(house: House, language: str = "en", **question: str) -> Any:
    """Ask the API."""
    with house.client("rssi", language) as client:
        return client.get("/v1/presence", params=question).json()


def test_the_answer_is_a_sentence_and_the_sessions(house: House, sessions: dict[str, str]) -> None:
    """A bare time is on the hospital's clock; the answer says who, where, as whom, from when to when."""
    told = asked(house, device="scan01", at="2026-11-22 21:14", person="alice")
    assert [item["id"] for item in told["items"]] == [sessions["lost"], sessions["evening"]]
    assert "Alice Martin (alice, Imagix) was on scan01 as maint-alice" in told["answer"][2]
    assert "20:45" in told["answer"][2]
    assert "21:40" in told["answer"][2]
    assert "the end is not known" in told["answer"][1]
    in_french = asked(house, "fr", device="scan01", at="2026-11-22T21:14:00+01:00")
    assert "était sur scan01 sous le compte maint-alice" in in_french["answer"][2]
    assert asked(house, at="2026-11-22 21:14", supplier="imagix")["items"] == told["items"]
    stay(house, 5, datetime(2026, 11, 9, 8, 0, 5, tzinfo=UTC), timedelta(seconds=20))
    brief = asked(house, "fr", device="scan01", at="2026-11-09 09:00:10")["answer"]
    assert brief[1].endswith(
        "sous le compte maint-alice, le lundi 9 novembre 2026 à 09:00 (UTC+1), moins d’une minute."
    )
    nobody = asked(house, device="scan01", at="2026-11-10 12:00")
    assert nobody["items"] == []
    assert nobody["answer"] == ["Tuesday 10 November 2026 at 12:00 (UTC+1): no session (on scan01)."]


def test_the_hour_that_the_clocks_repeat_is_asked_about_and_not_guessed(
    house: House, sessions: dict[str, str]
) -> None:
    """02:30 on that night was twice: one must say which; each is another answer."""
    refused = asked(house, device="scan01", at="2026-10-25 02:30")
    assert refused["type"].endswith("ambiguous-local-time")
    assert refused["choices"] == ["first", "second"]
    first = asked(house, device="scan01", at="2026-10-25 02:30", at_fold="first")
    second = asked(house, device="scan01", at="2026-10-25 02:30", at_fold="second")
    assert [item["id"] for item in first["items"]] == [sessions["first"]]
    assert [item["id"] for item in second["items"]] == [sessions["second"]]
    both = asked(house, device="scan01", **{"from": "2026-10-25 01:00", "to": "2026-10-25 04:00"})
    assert [item["id"] for item in both["items"]] == [sessions["first"], sessions["second"]]


def test_what_goes_on_is_there_until_now(house: House) -> None:
    """A live session is said to be going on; once policy counts its end, the end is told before its trace arrives."""
    world = house.world
    grant = house.run(world.grant())
    house.run(world.services.access.session_opened(grant, "node1"))
    opened = stay(house, int(grant.session_id, 16), START, None)
    assert opened == grant.session_id
    now = asked(house, device="scan01")
    assert [item["state"] for item in now["items"]][-1] == "live"
    assert "still is" in now["answer"][-1]
    house.clock.advance(timedelta(minutes=5))
    house.run(world.services.access.session_closed(world.id, SessionId(opened), "left"))
    assert opened not in [item["id"] for item in asked(house, device="scan01")["items"]]
    earlier = asked(house, device="scan01", at=(START + timedelta(minutes=1)).isoformat())
    assert {item["id"]: item["state"] for item in earlier["items"]}[opened] == "ended"


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"at": "2030-01-01 00:00"}, "at"),
        ({"at": "2026-11-01", "from": "2026-11-01"}, "at"),
        ({"to": "2026-11-01"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"at": "yesterday"}, "at"),
    ],
)
def test_what_cannot_be_answered_names_the_field(house: House, question: dict[str, str], field: str) -> None:
    """Neither the future nor a period without a begin is guessed at."""
    refused = asked(house, **question)
    assert (refused["status"], refused["errors"][0]["field"]) == (422, field)


def test_unknown_names_are_said_and_technicians_do_not_ask(house: House) -> None:
    """A device that does not exist is no empty answer, one whose name is as long as an identifier is found."""
    assert asked(house, device="scan99")["status"] == 404
    name = "scanner-radiologie-batiment-nord"
    house.run(house.world.add_device(name))
    assert asked(house, device=name)["device"] == name
    with house.client("alice") as client:
        assert client.get("/v1/presence").status_code == 403


def test_the_command_line_answers(house: House, tmp_path: Path, sessions: dict[str, str]) -> None:
    """``sessions who`` says the sentences, shows the sessions, and names the option where the clock showed it twice."""
    desk = Desk(house, tmp_path, "rssi")
    told = desk.run("sessions", "who", "scan01", "--at", "2026-11-22 21:14")
    assert told.exit_code == 0, told.output
    assert "Alice Martin (alice, Imagix) was on scan01" in told.output
    assert sessions["evening"][:8] in told.output
    assert "Sunday 22 November 2026 at 21:14 (UTC+1), sessions found" in told.output, (
        "one minute is no period"
    )
    present = desk.run("sessions", "who", "scan01", "--at", "now")
    assert present.exit_code == 0, present.output
    twice = desk.run("sessions", "who", "scan01", "--at", "2026-10-25 02:30")
    assert twice.exit_code == 1
    assert "--at-fold first" in twice.output
    second = desk.run("sessions", "who", "--at", "2026-10-25 02:30", "--at-fold", "second", "--json")
    assert [item["id"] for item in json.loads(second.stdout)["items"]] == [sessions["second"]]


def test_the_console_answers_for_a_minute(house: House, sessions: dict[str, str]) -> None:
    """The screen tells the session of that minute and leads to it; of an hour there twice, both; what it cannot know it says."""
    with signed_in(house, "dsi") as client:

        def page(at: str, device: str = house.world.device.id) -> httpx.Response:
            return client.get("/console/presence", params={"device": device, "at": at})

        evening = page("2026-11-22T20:50").text
        assert "sessions found: 2 (on scan01)" in evening
        assert [sessions[name] in evening for name in ("evening", "lost", "first")] == [True, True, False]
        assert "Alice Martin" in evening
        assert "No session was open" in page("2026-11-10T12:00").text
        twice = page("2026-10-25T02:30").text
        assert [sessions[name] in twice for name in ("first", "second", "evening")] == [True, True, False]
        for wrong in ("2026-03-29T02:30", "2030-01-01T00:00", "never"):
            refused = page(wrong)
            assert (refused.status_code, "fault" in refused.text) == (422, True)
        assert page("2026-11-22T20:50", device="f" * 32).status_code == 404
    with house.client() as nobody:
        assert nobody.get("/console/presence").status_code == 303
