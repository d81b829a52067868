"""The console's search: a reason and a fresh code, hits that lead to their moment, hostile text that does nothing."""

from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from recorder.audit.journal import JournalFilters
from tests.support.api_house import House
from tests.support.browser import Browser
from tests.support.console import look_at, session_of, signed_in, token_of
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration

HOSTILE = "<img src=x onerror=alert(1)>\x1b]0;titre\x07 effacement </script>\u202e =cmd|calc\r\n"


@pytest.fixture(scope="module", autouse=True)
def sessions(house: House) -> list[str]:
    """Two sessions in the index."""
    made = [
        record(house, lambda recording: speak(recording, "maint@scan01:~$ rm -rf /tmp/calibration\r\n")),
        record(house, lambda recording: speak(recording, HOSTILE)),
    ]
    while house.run(house.search.step(house.world.id)):
        pass
    return made


@pytest.fixture(autouse=True)
def _calm(house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    house.clock.advance(timedelta(minutes=2))


def test_a_search_needs_a_reason_and_shows_where_the_replay_opens(house: House, sessions: list[str]) -> None:
    """The hit leads to its moment; the journal holds the words, the reason and the session."""
    with signed_in(house, "rssi") as client:
        form = {"form_token": token_of(client.get("/console/search").text), "q": '"rm -rf"'}
        without = client.post("/console/search", data=form)
        assert without.status_code == 422
        answer = client.post("/console/search", data={**form, "reason": "Incident 42", "kind": "screen"})
        assert answer.status_code == 200
        assert f"/console/sessions/{sessions[0]}/replay?t=" in answer.text
        assert "<mark>rm -rf</mark>" in answer.text
        refused = client.post("/console/search", data={**form, "q": '"rm', "reason": "Incident 42"})
        assert refused.status_code == 422
        assert "close it" in unescape(refused.text)
        nothing = client.post("/console/search", data={**form, "q": "absentword", "reason": "Incident 42"})
        assert "Nothing found" in nothing.text
    filters = JournalFilters(hospital_id=house.world.id, name="search.made")
    first = house.run(house.journal.entries(filters)).entries[0].event
    assert (first.details["query"], first.details["reason"]) == ('"rm -rf"', "Incident 42")
    assert first.details["sessions"] == [sessions[0]]


def test_an_old_sign_in_gives_a_code_first(house: House) -> None:
    """Signed in a while ago, she is asked for a code, and what she typed is kept."""
    with signed_in(house, "rssi") as client:
        token = token_of(client.get("/console/search").text)
        house.clock.advance(timedelta(minutes=20))
        form = {"form_token": token, "q": "calibration", "reason": "Incident 42"}
        asked = client.post("/console/search", data=form)
        assert asked.status_code == 401
        assert 'value="calibration"' in asked.text
        given = client.post("/console/search", data={**form, "code": house.next_code("rssi")})
        assert given.status_code == 200
        assert "<mark>calibration</mark>" in given.text


def test_what_a_device_sent_is_text(house: House, sessions: list[str]) -> None:
    """No tag of it is one, no control acts, and others than the security role see no search at all."""
    with signed_in(house, "rssi") as client:
        token = token_of(client.get("/console/search").text)
        answer = client.post(
            "/console/search", data={"form_token": token, "q": "effacement", "reason": "Incident 42"}
        )
    assert sessions[1] in answer.text
    assert "<img src=x" not in answer.text
    assert "&lt;img src=x" in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    with signed_in(house, "dsi") as client:
        assert client.get("/console/search").status_code == 403
        assert "/console/search" not in client.get("/console").text


def test_the_screen_is_usable_by_everybody(house: House, tmp_path: Path) -> None:
    """In a real browser, on a telephone too and in both languages, axe-core finds nothing on the form and the hits."""
    said = []

    def search(browser: Browser) -> None:
        browser.find("#q").type("calibration")
        browser.find("#reason").type("Incident 42")
        browser.run("document.querySelector('form.search').requestSubmit()")
        browser.wait_for(".hits")
        said.append(browser.text)
        assert "rm -rf /tmp/calibration" in browser.find(".hits").text

    look_at(house, ["/console/search"], session_of(house, "rssi"), tmp_path, search)
    for text, words in zip(said, (("Trouvé", "Revoir"), ("Found", "Replay")), strict=True):
        assert all(word in text for word in words)
