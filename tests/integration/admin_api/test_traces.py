"""Traces through the API: listed, proved, read with a reason, and every reading in the journal."""

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import text

from policy.domain.people import Role
from recorder.audit.journal import JournalFilters
from recorder.errors import RecorderError, StoreUnreachable, TraceNotFound
from recorder.replay.reader import verify
from recorder.trace.frames import FrameType
from tests.support.api_house import House
from tests.support.recorded import record, speak

HOSTILE = "\x1b]52;c;cGlyYXRl\x07 bonjour \x1b[31mrouge\x1b[0m\r\n"


def _readings(house: House, session_id: str) -> list[dict[str, object]]:
    filters = JournalFilters(hospital_id=house.world.id, session_id=session_id, name="trace")
    entries = house.run(house.journal.entries(filters)).entries
    return [
        {"name": entry.event.name, "actor": entry.event.actor, **entry.event.details} for entry in entries
    ]


def test_a_trace_is_listed_with_what_is_known_of_it(house: House) -> None:
    """The list and the document of a trace say who, where, why it ended, and its size."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    with house.client("rssi") as client:
        listed = client.get("/v1/traces", params={"person_id": house.world.who("alice")}).json()["items"]
        assert session_id in [item["id"] for item in listed]
        one = client.get(f"/v1/traces/{session_id}").json()
        past = client.get("/v1/sessions", params={"state": "past"}).json()["items"]
    assert (one["person_login"], one["device_name"], one["end_reason"]) == ("alice", "scan01", "left")
    assert one["size"] > 0
    assert session_id in [item["id"] for item in past]


def test_a_database_that_refuses_is_no_database_that_is_away(house: House) -> None:
    """Without a table the answer is an internal error, which the log explains: nobody is told to come back in five seconds."""

    async def rename(old: str, new: str) -> None:
        async with house.catalog.database.write() as connection:
            await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    house.run(rename("sessions_opened", "hidden"))
    try:
        with house.client("rssi") as client:
            refused = client.get("/v1/traces")
    finally:
        house.run(rename("hidden", "sessions_opened"))
    assert (refused.status_code, refused.json()["type"]) == (500, "urn:ecluse:problem:internal")
    assert "Retry-After" not in refused.headers


def test_an_untouched_trace_verifies_and_a_flipped_byte_is_named(house: House) -> None:
    """Verification says intact, then names the record in which one byte was changed."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n" * 50))
    with house.client("rssi") as client:
        assert client.post(f"/v1/traces/{session_id}/verify").json()["valid"] is True
        trace = house.store.open(house.world.id, session_id) / "trace-000001.ecl"
        stored = bytearray(trace.read_bytes())
        stored[-3] ^= 1
        trace.chmod(0o640)
        trace.write_bytes(stored)
        proof = client.post(f"/v1/traces/{session_id}/verify").json()
    assert proof["valid"] is False
    assert proof["record"] >= 1
    assert proof["why"]
    assert [entry["intact"] for entry in _readings(house, session_id)] == [True, False]


def test_a_trace_replaced_whole_by_another_signed_one_is_found(house: House) -> None:
    """A trace that the same key signed, put in another's place, does not pass for it."""
    first = record(house, lambda recording: speak(recording, "rm -rf /\r\n"))
    second = record(house, lambda recording: speak(recording, "ls\r\n"))
    target, source = (house.store.open(house.world.id, one) for one in (first, second))
    for path in source.iterdir():
        victim = target / path.name
        if victim.exists():
            victim.chmod(0o640)
        victim.write_bytes(path.read_bytes())
    with house.client("rssi") as client:
        assert client.post(f"/v1/traces/{first}/verify").json()["valid"] is False


def test_reading_needs_a_reason_and_the_security_role(house: House) -> None:
    """No content leaves without a reason, nor for an administrator; each reading is an entry that holds the reason."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    with house.client("rssi") as client, house.client("dsi") as planner:
        for form in ("asciicast", "transcript", "events", "files"):
            assert client.get(f"/v1/traces/{session_id}/{form}").json()["errors"][0]["field"] == "reason"
            refused = planner.get(f"/v1/traces/{session_id}/{form}", params={"reason": "Curiosité"})
            assert refused.status_code == 403
        assert _readings(house, session_id) == []
        for form in ("asciicast", "transcript", "events", "files"):
            client.get(f"/v1/traces/{session_id}/{form}", params={"reason": "Incident 42"}).raise_for_status()
    read = _readings(house, session_id)
    assert [entry["name"] for entry in read] == ["trace.read"] * 4
    assert {entry["reason"] for entry in read} == {"Incident 42"}
    assert {entry["actor"] for entry in read} == {house.world.who("rssi")}


def test_the_transcript_is_neutral_and_the_asciicast_is_faithful(house: House) -> None:
    """The transcript holds no control character; the cast holds the device's own bytes, as JSON."""
    session_id = record(house, lambda recording: speak(recording, HOSTILE))
    with house.client("rssi") as client:
        text = client.get(f"/v1/traces/{session_id}/transcript", params={"reason": "Incident 42"}).text
        cast = client.get(f"/v1/traces/{session_id}/asciicast", params={"reason": "Incident 42"}).text
    assert "bonjour" in text
    assert all(character.isprintable() or character == "\n" for character in text)
    head, *events = [json.loads(line) for line in cast.splitlines()]
    assert head["version"] == 3
    assert (head["term"]["cols"], head["term"]["rows"]) == (100, 30)
    assert "".join(event[2] for event in events if event[1] == "o") == HOSTILE


def test_a_transcript_is_told_in_the_readers_language(house: House) -> None:
    """Events are sentences in the language asked for; programs read them raw, frame by frame, as JSON lines."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    path, params = f"/v1/traces/{session_id}", {"reason": "Incident 42"}
    with house.client("rssi", "fr") as french, house.client("rssi") as english:
        told = french.get(f"{path}/transcript", params=params).text
        assert "Demande un interpréteur de commandes, sur un terminal xterm de 100 par 30" in told
        assert "Fin de la session" in told
        assert "reason=left" not in told
        assert "Asks for a shell" in english.get(f"{path}/transcript", params=params).text
        cast = french.get(f"{path}/asciicast", params=params).text
        assert "Demande un interpr\\u00e9teur" in cast
        head, *frames = [
            json.loads(line) for line in french.get(f"{path}/events", params=params).text.splitlines()
        ]
    assert head["header"]["session_id"] == session_id
    assert [frame["type"] for frame in frames] == ["request", "output", "end"]
    assert base64.b64decode(frames[1]["data"]) == b"bonjour\r\n"
    assert frames[2]["facts"] == {"reason": "left"}


def test_the_files_verify_offline(house: House, tmp_path: Path) -> None:
    """What the tar holds is the stored trace, byte for byte: it verifies with the public key alone."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n" * 5000))
    with house.client("rssi") as client:
        answer = client.get(f"/v1/traces/{session_id}/files", params={"reason": "Expertise"})
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        tar.extractall(tmp_path, filter="data")
    assert verify(tmp_path, house.signing_key.public).intact


def test_a_trace_that_cannot_be_read_is_a_problem(house: House) -> None:
    """A destroyed header gives a refusal that says to verify, and no half of an answer."""
    session_id = record(house, lambda recording: recording.record(FrameType.OUTPUT, 1, b"bonjour"))
    trace = house.store.open(house.world.id, session_id) / "trace-000001.ecl"
    trace.chmod(0o640)
    trace.write_bytes(b"nothing of a trace")
    with house.client("rssi") as client:
        answer = client.get(f"/v1/traces/{session_id}/transcript", params={"reason": "Incident 42"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("trace-unreadable")
    told = [(entry["name"], entry["unread"]) for entry in _readings(house, session_id)]
    assert told == [("trace.not_read", "broken")]


@pytest.mark.parametrize(
    ("error", "status", "unread"),
    [(StoreUnreachable("no answer"), 503, "store"), (TraceNotFound("its folder is gone"), 409, "broken")],
)
def test_files_that_could_not_be_fetched_stand_in_the_journal(
    house: House, monkeypatch: pytest.MonkeyPatch, error: RecorderError, status: int, unread: str
) -> None:
    """Who asks for a trace's files while the store is out of reach, or its folder is damaged, is named as one who tried."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n"))

    def refuse(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(type(house.context.traces), "opened", refuse)
    with house.client("rssi") as client:
        answer = client.get(f"/v1/traces/{session_id}/files", params={"reason": "Expertise"})
    assert answer.status_code == status
    told = [(entry["name"], entry["form"], entry["unread"]) for entry in _readings(house, session_id)]
    assert told == [("trace.not_read", "files", unread)]


def test_identifiers_that_are_paths_reach_nothing(house: House) -> None:
    """Dots, slashes and NULs in the place of an identifier are an unknown trace, never a path."""
    with house.client("rssi") as client:
        for name in ("..", "%2e%2e%2f%2e%2e%2fpolicy.db", "..%5c..", "%00", "a" * 5000):
            answer = client.get(f"/v1/traces/{name}/files", params={"reason": "Attaque"})
            assert answer.status_code == 404, name


def test_the_journal_holds_each_change_once_and_verifies(house: House) -> None:
    """However often the outbox is ingested, each change is one entry; the chains hold, and a changed row is named."""
    with house.client("dsi") as client, house.client("rssi") as security:
        client.post("/v1/suppliers", json={"name": "Une fois", "sites": []}).raise_for_status()
        house.ingest_all()
        again = type(house.ingest)(house.world.services, house.journal, house.clock)
        house.run(again.step())
        listed = security.get("/v1/journal", params={"name": "supplier.created", "limit": 500}).json()[
            "items"
        ]
        assert [item["details"]["after"]["name"] for item in listed].count("Une fois") == 1
        assert {item["actor"] for item in listed} == {"dsi"}
        assert security.post("/v1/journal/verify").json()["valid"] is True


def test_who_keeps_the_journal_s_heads_sees_its_end_cut_off(house: House) -> None:
    """The heads of a proof, given back later, still stand; one that is missing, or another, fails the next proof."""
    with house.client("rssi") as security:
        heads = security.post("/v1/journal/verify").json()["heads"]
        assert heads
        assert security.post("/v1/journal/verify", json={"known": heads}).json()["valid"] is True
        further = [{**heads[0], "seq": heads[0]["seq"] + 1000}]
        proof = security.post("/v1/journal/verify", json={"known": further}).json()
        assert proof["valid"] is False
        assert heads[0]["writer"] in proof["why"]
        other = [{**heads[0], "digest": "0" * 64}]
        assert security.post("/v1/journal/verify", json={"known": other}).json()["valid"] is False
        assert security.post("/v1/journal/verify", json={"known": [{"writer": "x"}]}).status_code == 422


def test_a_role_narrower_than_the_person_s_binds(house: House) -> None:
    """A token made for one role reads no trace, although its person could."""
    session_id = record(house, lambda recording: speak(recording, "bonjour\r\n"))
    token = house.token("dsi", roles=frozenset({Role.PLANNER})).reveal()
    with house.client() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.post(f"/v1/traces/{session_id}/verify").status_code == 403
