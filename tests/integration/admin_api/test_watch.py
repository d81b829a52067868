"""A live session followed by the API and the command line: out of the store, with a reason and a fresh code, until it ends."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recorder.audit.journal import JournalFilters
from recorder.trace.frames import FrameType
from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.recorded import Going, beat, going, leased, record, speak

WHY = "Appel du service d'imagerie"
HOSTILE = "\x1b]52;c;cGlyYXRl\x07\x1b]0;titre\x07\x1b[6n\x1b[?1000h\x1bP+q\x1b\\vu\r\n"


@contextmanager
def watching(
    house: House, session_id: str, login: str = "rssi", **further: object
) -> Iterator[Iterator[dict[str, Any]]]:
    """Follow a session by the API, and give its lines but for the beats."""
    body = {"reason": WHY, "code": house.next_code(login), **further}
    with (
        house.client(login) as client,
        client.stream("POST", f"/v1/sessions/{session_id}/watch", json=body) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        lines = (json.loads(line) for line in answer.iter_lines())
        yield (line for line in lines if line["type"] != "beat")


def until(lines: Iterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The next line of that type."""
    return next(line for line in lines if line["type"] == kind)


def shown(lines: Iterator[dict[str, Any]], text: str) -> str:
    """Read on until *text* was shown, and return all output."""
    output = ""
    while text not in output:
        line = next(lines)
        output += line.get("output") or (line["data"] if line["type"] == "output" else "")
    return output


@pytest.fixture
def session(house: House) -> Iterator[Going]:
    """A session under way that has shown a prompt."""
    with going(house) as begun:
        begun.open_terminal()
        begun.show("maint@scan01:~$ ")
        yield begun


def test_who_comes_late_sees_the_screen_and_then_what_comes(house: House, session: Going) -> None:
    """From now on: the screen as it is, drawn; then each thing shown, until the end and its reason."""
    session.show("\x1b[31mrouge\x1b[0m")
    with watching(house, session.session_id) as lines:
        screen = until(lines, "screen")
        assert (screen["columns"], screen["rows"], screen["channel"]) == (100, 30, 1)
        assert "maint@scan01:~$ " in screen["output"]
        assert "\x1b[0;31mrouge" in screen["output"]
        until(lines, "live")
        session.show("uptime\r\n")
        assert shown(lines, "uptime")
        session.end()
        assert until(lines, "end")["why"] == "ended"


def test_from_its_start_what_came_before_is_played_first(house: House, session: Going) -> None:
    """Everything since the opening is played in its order, then it is now."""
    session.show("un\r\n")
    session.show("deux\r\n")
    session.wait_until_shipped()
    with watching(house, session.session_id, since="start", speed=64) as lines:
        assert "maint@scan01:~$ un\r\ndeux\r\n" in shown(lines, "deux\r\n")
        until(lines, "live")
        session.show("trois")
        assert shown(lines, "trois")


def test_two_follow_at_once_and_a_channel_is_chosen(house: House, session: Going) -> None:
    """Two viewers see the same session, each the channel that she wants; the others are named."""
    session.open_terminal(2)
    session.show("second", 2)
    session.wait_until_shipped()
    with (
        watching(house, session.session_id) as newest,
        watching(house, session.session_id, channel=1) as first,
    ):
        listed = until(newest, "channels")
        assert [one["number"] for one in listed["channels"]] == [1, 2]
        assert listed["shown"] == 2
        assert "second" in until(newest, "screen")["output"]
        assert "maint@scan01" in until(first, "screen")["output"]
        session.show("a1", 1)
        session.show("b2", 2)
        assert "b2" not in shown(first, "a1")
        assert "a1" not in shown(newest, "b2")


def test_the_newest_terminal_is_followed_when_the_one_shown_ends(house: House, session: Going) -> None:
    """Who chose no channel goes on to the next one."""
    with watching(house, session.session_id) as lines:
        until(lines, "live")
        session.record(FrameType.EXIT, 1, {"status": 0})
        session.open_terminal(2)
        session.show("suite", 2)
        assert shown(lines, "suite")


def test_a_flood_is_drawn_and_not_sent(house: House, session: Going) -> None:
    """What no eye follows is left out, and said to be; the screen is what it left behind."""
    with watching(house, session.session_id) as lines:
        until(lines, "live")
        session.show("y\r\n" * 200_000 + "fin")
        screen = until(lines, "screen")
        while "fin" not in screen["output"]:
            screen = until(lines, "screen")
        assert screen["skipped"] > 0
        assert len(screen["output"]) < 50_000


def test_watching_needs_the_role_a_reason_and_a_fresh_code(house: House, session: Going) -> None:
    """Each of the three is refused for want of it, and nothing is shown; a watch is in the journal with its reason."""
    path = f"/v1/sessions/{session.session_id}/watch"
    wrong = {"reason": WHY, "code": "000000"}
    with house.client("dsi") as client:
        assert client.post(path, json=wrong).status_code == 403
    with house.client("rssi") as client:
        assert client.post(path, json={"code": house.next_code("rssi")}).status_code == 422
        assert client.post(path, json={"reason": WHY}).status_code == 422
        assert client.post(path, json=wrong).status_code == 401
    before = _readings(house, session)
    assert before == []
    with watching(house, session.session_id) as lines:
        until(lines, "screen")
        assert _readings(house, session) == [{"reason": WHY, "form": "live", "from": "now"}]


def test_who_is_suspended_sees_no_more(house: House, session: Going) -> None:
    """A suspension ends the watch within seconds, whatever the session does."""
    people, world = house.world.services.people, house.world
    parties = world.who("dsi"), world.id, world.who("rssi")
    with watching(house, session.session_id) as lines:
        until(lines, "live")
        house.run(people.suspend(*parties, reason="test"))
        try:
            assert until(lines, "end")["why"] == "signed_out"
        finally:
            house.run(people.resume(*parties, reason="test"))


def test_a_session_that_is_over_or_unknown_is_not_watched(house: House) -> None:
    """What is over is replayed; what does not exist is not found."""
    over = record(house, lambda recording: speak(recording, "fini"))
    body = {"reason": WHY, "code": "000000"}
    with house.client("rssi") as client:
        assert client.post(f"/v1/sessions/{over}/watch", json=body).status_code == 409
        assert client.post(f"/v1/sessions/{'0' * 32}/watch", json=body).status_code == 404


def test_a_hostile_device_gets_nothing_to_the_watchers_terminal(
    house: House, desks: tuple[Desk, Desk, Desk]
) -> None:
    """Clipboard, title, questions and mouse are left out of what the command paints; the end is told."""
    *_, rssi = desks
    with leased(house) as session:
        session.open_terminal()
        session.show(HOSTILE)
        leaves = threading.Thread(target=_end_once_watched, args=(house, session))
        leaves.start()
        code = house.next_code("rssi")
        beat(house)
        found = rssi.run("sessions", "watch", session.session_id, "--reason", WHY, typed=f"{code}\n")
        leaves.join()
    assert found.exit_code == 0, found.output
    assert "vu" in found.stdout
    assert "End of the session" in found.stderr
    for hostile in ("\x1b]", "\x1bP", "\x1b[6n", "\x1b[?1000h", "cGlyYXRl", "titre"):
        assert hostile not in found.stdout


def _end_once_watched(house: House, session: Going) -> None:
    deadline = time.monotonic() + 60
    while not _readings(house, session) and time.monotonic() < deadline:
        time.sleep(0.05)
    session.show("au revoir")
    session.end()


def _readings(house: House, session: Going) -> list[dict[str, object]]:
    filters = JournalFilters(hospital_id=house.world.id, name="trace.read", session_id=session.session_id)
    page = house.run(house.journal.entries(filters))
    return [dict(entry.event.details) for entry in page.entries]
