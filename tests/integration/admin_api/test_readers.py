"""Readers' keys through API and command line: locked, unlocked by somebody for a time, and old traces opened to new ones."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecluse.readers import make_reader, retire_reader
from policy.clock import ManualClock
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import JournalFilters
from recorder.errors import JournalBroken
from recorder.seal import passphrase
from recorder.seal.places import ReaderPlaces
from recorder.seal.ring import ReaderRing
from tests.support.api_house import House, open_house
from tests.support.own_machine import Desk
from tests.support.reader_token import place
from tests.support.recorded import going, record, speak
from tests.support.softhsm import PIN, Token

pytestmark = pytest.mark.integration
PHRASE = "cheval agrafe pile correct"
REASON = {"reason": "Incident 42"}


_began: dict[str, datetime] = {}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hospital behind its real API."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture
def house(hospital: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """That hospital in a console that has just started, sealing for one key, behind a passphrase cheap to guess."""
    monkeypatch.setattr(passphrase, "COST", 1 << 10)
    folder, ring = hospital.directory / "readers", hospital.readers.ring
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(hospital.store.root / hospital.world.id, ignore_errors=True)
    make_reader(folder, "rssi", PHRASE)
    for unlocked in ring.unlocked():
        ring.lock(unlocked.name)
    # what was tried is forgotten, as by a process that starts
    monkeypatch.setattr(hospital.readers, "ring", ReaderRing(ring.places, ring.now))
    hospital.run(hospital.readers._after_restart())
    hospital.run(hospital.readers.look())
    hospital.clock.advance(timedelta(minutes=1))
    _began["at"] = hospital.clock.now()
    return hospital


def unlock(house: House, name: str = "rssi", *, secret: str = PHRASE, who: str = "rssi", **more: Any) -> Any:
    """Ask for a key to be unlocked; the clock moves on to a fresh code."""
    body = {"secret": secret, "code": house.next_code(who), "minutes": 30, **more}
    with house.client(who) as client:
        return client.post(f"/v1/readers/{name}/unlock", json=body)


def told(house: House) -> list[tuple[str, dict[str, Any]]]:
    """What the journal says of readers' keys, the oldest first."""
    found = []
    for name in ("reader", "alarm"):
        filters = JournalFilters(hospital_id=house.world.id, name=name, since=_began["at"])
        found += [entry.event for entry in house.run(house.journal.entries(filters)).entries]
    found.sort(key=lambda event: event.at)
    return [(event.name, dict(event.details)) for event in found]


def names(house: House) -> list[str]:
    """The names of these entries."""
    return [name for name, _ in told(house)]


def test_a_locked_key_is_named_until_somebody_unlocks_it(house: House) -> None:
    """Replay says which key must be unlocked and how, in both languages; unlocked it plays; after the time it says so again."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    path = f"/v1/traces/{session}/transcript"
    with house.client("rssi") as english, house.client("rssi", "fr") as french:
        refused = english.get(path, params=REASON)
        assert (refused.status_code, refused.json()["type"]) == (423, "urn:ecluse:problem:reader-locked")
        assert "ecluse readers unlock rssi" in refused.json()["next"]
        assert "verrouillée" in french.get(path, params=REASON).json()["detail"]
        done = unlock(house).json()
        assert (done["opened"], done["unlocked_by"]) == (True, house.world.who("rssi"))
        assert "bonjour" in english.get(path, params=REASON).text
        house.clock.advance(timedelta(minutes=30))
        assert english.get(path, params=REASON).status_code == 423
    house.run(house.readers.look())
    entries = [entry for entry in told(house) if entry[0] != "reader.known"]
    assert [name for name, _ in entries] == ["reader.unlocked", "reader.locked"]
    assert entries[0][1]["until"] == done["until"].replace("Z", "+00:00")
    assert (entries[1][1]["why"], entries[1][1]["unlocked_by"]) == ("time", house.world.who("rssi"))


def test_a_trace_that_no_key_opened_was_not_read(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By API, by command, as a package or live: the journal says that nothing was shown and why, and that it was read once it was."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    house.run(house.proofs.checkpoint("test", force=True))
    desk = Desk(house, tmp_path, "rssi")
    with house.client("rssi") as client:
        assert client.get(f"/v1/traces/{session}/asciicast", params=REASON).status_code == 423
        assert desk.run("traces", "transcript", session, "--reason", "Incident 42").exit_code != 0
        asked = {**REASON, "session": session}
        assert client.get("/v1/evidence", params=asked).status_code == 423
        unread = {"reason": "Incident 42", "unread": "locked"}
        assert read_or_not(house, session) == [
            ("trace.not_read", {**unread, "form": form}) for form in ("export", "render", "evidence")
        ]
        with going(house) as live:
            live.open_terminal()
            live.wait_until_shipped()
            body = {**REASON, "code": house.next_code("rssi")}
            assert client.post(f"/v1/sessions/{live.session_id}/watch", json=body).status_code == 423
            assert read_or_not(house, live.session_id) == [("trace.not_read", {**unread, "form": "live"})]
        unlock(house)
        assert client.get(f"/v1/traces/{session}/asciicast", params=REASON).status_code == 200
        assert read_or_not(house, session)[3:] == [
            ("trace.read", {"reason": "Incident 42", "form": "export"})
        ]
    french = desk.run("--lang", "fr", "audit", "list", "--session", session).output
    assert "enregistrement non lu" in french
    assert "rien n’a été montré" in french


def read_or_not(house: House, session_id: str) -> list[tuple[str, dict[str, Any]]]:
    """What the journal says of readings of that session, and of those that showed nothing."""
    filters = JournalFilters(hospital_id=house.world.id, session_id=session_id, name="trace")
    entries = house.run(house.journal.entries(filters)).entries
    return [(one.event.name, dict(one.event.details)) for one in entries]


def test_only_the_security_role_unlocks_and_only_with_a_fresh_code(house: House) -> None:
    """An administrator and a technician are refused, so is a code that was used or is wrong; the key stays locked."""
    for who in ("dsi", "alice"):
        assert unlock(house, who=who).status_code == 403
    code = house.next_code("rssi")
    with house.client("rssi") as client:
        body = {"secret": PHRASE, "code": code}
        assert client.post("/v1/readers/rssi/unlock", json=body).status_code == 200
        assert client.post("/v1/readers/rssi/lock").json()["opened"] is False
        assert client.post("/v1/readers/rssi/unlock", json=body).status_code == 401
        assert client.post("/v1/readers/rssi/unlock", json={**body, "code": "000000"}).status_code == 401
        assert client.post("/v1/readers/rssi/unlock", json={**body, "minutes": 721}).status_code == 422
        assert client.get("/v1/readers").json()["items"][0]["opened"] is False
    with house.client() as nobody:
        assert nobody.post("/v1/readers/rssi/unlock", json=body).status_code == 401
    for who in ("alice", "planner"):
        if who in house.world.people:
            with house.client(who) as client:
                assert client.get("/v1/readers").status_code == 403


def test_guesses_are_journalled_and_stopped(house: House) -> None:
    """Each wrong passphrase is an entry, the fifth an alarm; then not even the right one is tried for a while."""
    for _ in range(4):
        assert unlock(house, secret="wrong").status_code == 403
    stopped = unlock(house, secret="wrong")
    assert (stopped.status_code, int(stopped.headers["Retry-After"]) > 800) == (429, True)
    assert unlock(house).status_code == 429
    assert names(house)[:5] == ["reader.refused"] * 4 + ["alarm.reader_locked_out"]
    house.clock.advance(timedelta(minutes=15))
    assert unlock(house).status_code == 200


def test_a_person_who_may_no_longer_keeps_no_key_open(house: House) -> None:
    """Who unlocked a key and is suspended has it locked at the next look, and the journal says why."""
    assert unlock(house).status_code == 200
    house.run(
        house.world.services.people.suspend(
            house.world.who("dsi"), house.world.id, house.world.who("rssi"), reason="Départ"
        )
    )
    house.run(house.readers.look())
    assert [facts["why"] for name, facts in told(house) if name == "reader.locked"] == ["person"]
    assert house.readers.ring.unlocked() == []
    house.run(
        house.world.services.people.resume(
            house.world.who("dsi"), house.world.id, house.world.who("rssi"), reason="Retour"
        )
    )


def test_what_the_journal_does_not_take_is_not_unlocked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the entry cannot be written the key stays locked."""

    async def broken(_event: SecurityEvent) -> None:
        raise JournalBroken("full")

    real = house.journal.append

    async def append(event: SecurityEvent) -> None:
        await (broken(event) if event.name.startswith("reader.") else real(event))

    monkeypatch.setattr(house.journal, "append", append)
    assert unlock(house).status_code == 503
    assert house.readers.ring.unlocked() == []


def test_a_console_that_starts_again_says_that_keys_are_locked(house: House) -> None:
    """After a crash the journal is told that the key which was unlocked is not any more; nothing where none was."""
    house.run(house.readers._after_restart())
    assert "reader.locked" not in names(house)
    assert unlock(house).status_code == 200
    house.readers.ring.lock("rssi")
    house.run(house.readers._after_restart())
    assert told(house)[-1] == ("reader.locked", {**told(house)[-1][1], "name": "rssi", "why": "restarted"})


def test_a_console_that_stops_locks_and_says_so(house: House) -> None:
    """At the end of the process every key is locked, and the journal has it before the process is gone."""
    assert unlock(house).status_code == 200

    async def begin_and_end() -> None:
        work = asyncio.create_task(house.readers.run())
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    house.run(begin_and_end())
    assert [facts["why"] for name, facts in told(house) if name == "reader.locked"] == ["stopped"]
    assert house.readers.ring.unlocked() == []


def test_a_reader_that_nobody_announced_is_an_alarm(house: House) -> None:
    """A public key that is put into the folder, or taken out of it, is told with its name, once."""
    house.run(house.readers.look())
    make_reader(house.directory / "readers", "intrus")
    house.run(house.readers.look())
    house.run(house.readers.look())
    alarms = [facts for name, facts in told(house) if name == "alarm.readers_changed"]
    assert [facts["added"].partition(" ")[0] for facts in alarms] == ["intrus"]
    retire_reader(ReaderPlaces(house.directory / "readers"), "intrus")
    house.run(house.readers.look())
    assert [facts["gone"] != "" for name, facts in told(house) if name == "alarm.readers_changed"] == [
        False,
        True,
    ]


def test_a_new_reader_from_the_command_line(house: House, tmp_path: Path) -> None:
    """``readers rewrap`` opens old traces to a new key once the old one is unlocked, then takes them from the retired one."""
    sessions = [record(house, lambda recording: speak(recording, "bonjour\r\n")) for _ in range(2)]
    folder = house.directory / "readers"
    make_reader(folder, "hospital")
    rssi = Desk(house, tmp_path, "rssi")
    done = rssi.run("readers", "rewrap", "--reason", "Clé 2027", typed=house.next_code("rssi") + "\n")
    assert done.exit_code == 1
    assert "ecluse readers unlock rssi" in done.output
    for key, why in (("nobody", "no key called nobody"), ("hospital", "hospital has no passphrase")):
        refused = rssi.run("readers", "unlock", key)
        assert (refused.exit_code, why in refused.stderr) == (1, True), refused.output
        assert "assphrase or PIN" not in refused.output
    typed = f"{PHRASE}\n{house.next_code('rssi')}\n"
    done = rssi.run("readers", "unlock", "rssi", "--for", "2h", typed=typed)
    assert done.exit_code == 0, done.output
    assert PHRASE not in done.output
    shown = {row["name"]: row for row in rssi.json("readers", "status")}
    assert (shown["rssi"]["guard"], shown["rssi"]["opened"], shown["hospital"]["opened"]) == (
        "passphrase",
        True,
        True,
    )
    retire_reader(ReaderPlaces(folder), "rssi")
    command = ("readers", "rewrap", "--reason", "Clé 2027", "--remove-retired", "--json")
    done = rssi.run(*command, typed=house.next_code("rssi") + "\n")
    assert done.exit_code == 0, done.output
    tally = json.loads(done.stdout[done.stdout.index("{") :])
    assert (tally["wrapped"], tally["retired"], tally["unreadable"]) == (2, 2, 0)
    assert rssi.json("readers", "lock", "rssi")["opened"] is False
    with house.client("rssi") as client:
        for session in sessions:
            assert "bonjour" in client.get(f"/v1/traces/{session}/transcript", params=REASON).text
            assert client.post(f"/v1/traces/{session}/verify").json()["valid"] is True
    facts = [facts for name, facts in told(house) if name == "reader.rewrapped"]
    assert [(one["complete"], one.get("wrapped"), one["reason"]) for one in facts] == [
        (True, None, "Clé 2027"),
        (True, 2, "Clé 2027"),
    ]


def test_opening_old_traces_needs_the_role_a_code_and_a_reason(house: House) -> None:
    """Who lacks the role, a fresh code or a reason changes nothing."""
    body = {"code": house.next_code("rssi"), "reason": "Clé 2027"}
    with house.client("dsi") as other, house.client("rssi") as client:
        assert other.post("/v1/readers/rewrap", json=body).status_code == 403
        assert client.post("/v1/readers/rewrap", json={**body, "reason": " "}).status_code == 422
        assert client.post("/v1/readers/rewrap", json={**body, "code": "000000"}).status_code == 401
    assert "reader.rewrap_began" not in names(house)


def test_a_token_is_unlocked_by_its_pin(house: House, reader_token: Token) -> None:
    """A key in a PKCS#11 token plays a trace once somebody gave the PIN, and no longer once it is locked."""
    del reader_token
    folder = house.directory / "readers"
    make_reader(folder, "hsm", PIN, place("house"))
    retire_reader(ReaderPlaces(folder), "rssi")
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    path = f"/v1/traces/{session}/transcript"
    with house.client("rssi") as client:
        assert "hsm" in client.get(path, params=REASON).json()["detail"]
        assert unlock(house, "hsm", secret="000000").status_code == 403
        assert unlock(house, "hsm", secret=PIN).status_code == 200
        assert "bonjour" in client.get(path, params=REASON).text
        client.post("/v1/readers/hsm/lock").raise_for_status()
        assert client.get(path, params=REASON).status_code == 423


def test_a_key_that_needs_no_unlocking_or_is_not_there_says_so(house: House) -> None:
    """A name that is none, one in the clear and a duration that is none are refused in words, before any secret is tried."""
    make_reader(house.directory / "readers", "plain")
    assert isinstance(house.clock, ManualClock)
    for name, why in (("plain", "always open"), ("nobody", "no private half")):
        refused = unlock(house, name)
        assert (refused.status_code, why in refused.json()["detail"]) == (409, True)
    with house.client("rssi", "fr") as client:
        body = {"secret": "x", "code": "000000"}
        assert "toujours ouverte" in client.post("/v1/readers/plain/unlock", json=body).json()["detail"]
