"""The console's pages of readers' keys: who sees and unlocks them, what waits for them, and how they look."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecluse.readers import make_reader
from recorder.audit.journal import JournalFilters
from recorder.seal import passphrase
from recorder.seal.ring import ReaderRing
from recorder.search.rendering import State
from tests.support.api_house import House, open_house
from tests.support.console import look_at, session_of, signed_in, token_of
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration
PHRASE = "cheval agrafe pile correct"
REASON = {"reason": "Incident 42"}
UNLOCK = "/console/readers/rssi/unlock"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hospital behind its real console."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture
def house(hospital: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """That hospital, sealing for one key behind a passphrase cheap to guess, which is locked."""
    monkeypatch.setattr(passphrase, "COST", 1 << 10)
    folder, ring = hospital.directory / "readers", hospital.readers.ring
    shutil.rmtree(folder, ignore_errors=True)
    make_reader(folder, "rssi", PHRASE)
    for unlocked in ring.unlocked():
        ring.lock(unlocked.name)
    # the house's own indexer has no keys; the product's has those of the ring
    monkeypatch.setattr(hospital.search, "_keys", ring.readers)
    hospital.clock.advance(timedelta(minutes=2))
    return hospital


def test_a_locked_key_is_found_where_it_is_missed_and_unlocked(house: House) -> None:
    """Replay and search lead to the key; wrong, it says so; unlocked, both go on at once, and the list says by whom."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    index = house.search.index(house.world.id)
    house.run(house.search.step(house.world.id))
    assert index.counts().get(State.WAITING) == 1
    house.clock.advance(timedelta(seconds=1))
    with signed_in(house, "rssi") as client:
        assert 'href="/console/readers"' in client.get("/console/search").text.partition("<main")[2]
        asked = client.get(f"/console/sessions/{session}/read").text
        assert "is locked (rssi)" in asked
        reading = {"form_token": token_of(asked), **REASON}
        refused = client.post(f"/console/sessions/{session}/read", data=reading)
        assert refused.status_code == 409
        assert "See the keys and unlock" in refused.text.partition("<main")[2]
        assert client.get(f"/console/sessions/{session}/replay").status_code == 303
        assert read_or_not(house, session) == ["trace.not_read"]
        listed = client.get("/console/readers").text
        assert "Locked" in listed
        assert UNLOCK in listed
        form = {"form_token": token_of(client.get(UNLOCK).text), "password": "faux", "minutes": "60"}
        wrong = client.post(UNLOCK, data=form)
        assert (wrong.status_code, "does not unlock the key" in wrong.text) == (403, True)
        assert "faux" not in wrong.text
        for broken in ({"minutes": "9999"}, {"password": ""}):
            assert client.post(UNLOCK, data={**form, "password": PHRASE, **broken}).status_code == 422
        assert client.post(UNLOCK, data={**form, "form_token": "x"}).status_code == 403
        assert house.readers.ring.unlocked() == []
        assert client.post(UNLOCK, data={**form, "password": PHRASE}).status_code == 303
        listed = client.get("/console/readers").text
        assert "Unlocked" in listed
        assert house.readers.ring.unlocked()[0].by == house.world.who("rssi")
        assert client.post(f"/console/sessions/{session}/read", data=reading).status_code == 303
        assert client.get(f"/console/sessions/{session}/replay").status_code == 200
        assert read_or_not(house, session) == ["trace.not_read", "trace.read"]
        house.run(house.search.step(house.world.id))
        assert index.counts().get(State.WAITING, 0) == 0
        lock = {"form_token": form["form_token"]}
        assert client.post("/console/readers/rssi/lock", data=lock).status_code == 303
        assert house.readers.ring.unlocked() == []
        assert client.get("/console/readers/nobody/unlock").status_code == 404


def test_however_slow_a_recording_is_made_ready_a_locked_key_is_refused_on_the_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page with a player would say that the passage is being prepared, which nobody prepares."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    until = house.clock.now() + timedelta(minutes=30)
    house.readers.ring.unlock("rssi", PHRASE, until, house.world.who("rssi"))
    monkeypatch.setattr("admin_api.console.staff.replay._AT_ONCE_SECONDS", 0)
    with signed_in(house, "rssi") as client:
        page = f"/console/sessions/{session}"
        form = {"form_token": token_of(client.get(f"{page}/read").text), **REASON}
        assert client.post(f"{page}/read", data=form).status_code == 303
        assert 'id="player"' in client.get(f"{page}/replay").text
        house.readers.ring.lock("rssi")
        refused = client.get(f"{page}/replay")
        assert (refused.status_code, 'id="player"' in refused.text) == (409, False)
        assert "See the keys and unlock" in refused.text.partition("<main")[2]


def test_a_key_that_opens_while_a_recording_is_made_ready_takes_it_along_when_it_is_locked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for while the key was locked, and opened by it a moment later, is shown no longer than it is open."""
    session, ring = record(house, lambda recording: speak(recording, "bonjour\r\n")), house.readers.ring
    until, by = house.clock.now() + timedelta(minutes=30), house.world.who("rssi")
    index = f"/console/sessions/{session}/replay/index.json"
    with signed_in(house, "rssi") as client:
        ring.unlock("rssi", PHRASE, until, by)
        page = f"/console/sessions/{session}/read"
        form = {"form_token": token_of(client.get(page).text), **REASON}
        assert client.post(page, data=form).status_code == 303
        ring.lock("rssi")
        asked = ring.readers
        calls: list[int] = []

        def unlocked_after_the_first_look() -> Any:
            found = asked()
            if not calls:
                ring.unlock("rssi", PHRASE, until, by)
            calls.append(1)
            return found

        monkeypatch.setattr(ReaderRing, "readers", lambda _ring: unlocked_after_the_first_look())
        assert client.get(index).status_code == 200
        ring.lock("rssi")
        assert client.get(index).status_code == 409


def read_or_not(house: House, session_id: str) -> list[str]:
    """The names of what the journal says of readings of that session."""
    filters = JournalFilters(hospital_id=house.world.id, session_id=session_id, name="trace")
    return [one.event.name for one in house.run(house.journal.entries(filters)).entries]


def test_an_administrator_sees_and_locks_and_does_not_unlock(house: House) -> None:
    """What stands open can be shut by both roles; opened by the security role alone."""
    until = house.clock.now() + timedelta(minutes=30)
    house.readers.ring.unlock("rssi", PHRASE, until, house.world.who("rssi"))
    with signed_in(house, "dsi") as client:
        page = client.get("/console/readers").text
        token = token_of(page)
        assert client.post("/console/readers/rssi/lock", data={"form_token": token}).status_code == 303
        assert house.readers.ring.unlocked() == []
        assert UNLOCK not in client.get("/console/readers").text
        assert client.get(UNLOCK).status_code == 403
        form = {"form_token": token, "password": PHRASE, "minutes": "30"}
        assert client.post(UNLOCK, data=form).status_code == 403
    assert house.readers.ring.unlocked() == []


def test_an_unlocking_needs_a_fresh_code(house: House) -> None:
    """A session that gave its code long ago is asked for another, and the passphrase is not shown again."""
    with signed_in(house, "rssi") as client:
        form = {"form_token": token_of(client.get(UNLOCK).text), "password": PHRASE, "minutes": "30"}
        house.clock.advance(timedelta(minutes=14))
        asked = client.post(UNLOCK, data=form)
        assert (asked.status_code, 'name="code"' in asked.text) == (401, True)
        assert PHRASE not in asked.text
        assert house.readers.ring.unlocked() == []
        again = client.post(UNLOCK, data={**form, "code": house.next_code("rssi")})
        assert again.status_code == 303


def test_the_pages_fit_telephones_and_screen_readers(house: House, tmp_path: Path) -> None:
    """In a real browser, in both languages, at both widths: nothing is wider than the page, axe-core finds nothing."""
    make_reader(house.directory / "readers", "escrow-2027", PHRASE)
    until = house.clock.now() + timedelta(minutes=30)
    house.readers.ring.unlock("escrow-2027", PHRASE, until, house.world.who("rssi"))
    look_at(house, ("/console/readers", UNLOCK), session_of(house, "rssi"), tmp_path)
