"""Search by the API and the command line: role, reason and journal; names, times and pages; what is missing is said."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from recorder.audit.journal import JournalFilters
from recorder.capture.session import Recording
from recorder.trace.frames import FrameType, canonical
from tests.support.api_house import House
from tests.support.own_machine import Desk
from tests.support.recorded import record, speak

WHY = "Enquête 2026-17"
HOSTILE = (
    "\x1b]52;c;cGlyYXRl\x07\x1b]0;titre\x07</script><img src=x> =HYPERLINK() \u202egnp.exe wiper -rf\r\n"
)


@pytest.fixture(scope="module", autouse=True)
def sessions(house: House) -> list[str]:
    """Two sessions in the index: one ordinary, one hostile."""

    def ordinary(recording: Recording) -> None:
        speak(recording, "maint@scan01:~$ tail -f /var/log/dicom.log\r\n", "étalonnage terminé\r\n")
        facts = {"op": "put", "phase": "done", "path": "/opt/fw.bin", "size": 1, "sha256": "beef" + "0" * 60}
        recording.record(FrameType.FILE, 2, canonical(facts))

    made = [record(house, ordinary), record(house, lambda recording: speak(recording, HOSTILE))]
    index(house)
    return made


def index(house: House) -> None:
    """Index what is in the store."""
    while house.run(house.search.step(house.world.id)):
        pass


def asked(house: House, q: str, login: str = "rssi", language: str = "en", **further: str) -> Any:
    """Search by the API."""
    with house.client(login, language) as client:
        return client.get("/v1/search", params={"q": q, "reason": WHY, **further}).json()


def test_a_hit_says_who_where_and_at_which_moment(house: House, sessions: list[str]) -> None:
    """Each hit has its session, people and device, its moment from the start, and its words marked."""
    found = asked(house, '"tail -f" dicom', device="scan01", person="alice", supplier="imagix", kind="screen")
    [hit] = found["items"]
    assert (hit["session_id"], hit["person_login"], hit["device_name"]) == (sessions[0], "alice", "scan01")
    assert hit["at_ms"] >= 0
    assert "tail -f /var/log/dicom.log" in hit["snippet"]
    assert [piece["text"] for piece in hit["pieces"] if piece["hit"]] == ["tail -f", "dicom"]
    assert found["progress"] == {"total": 2, "indexed": 2, "truncated": 0, "failed": 0, "waiting": 0}
    assert asked(house, "beef*")["items"][0]["kind"] == "file"
    assert asked(house, "etalonnage device:scan01")["items"][0]["session_id"] == sessions[0]
    day = {"from": "2026-11-23 00:00", "to": "2026-11-24 00:00"}
    assert len(asked(house, "dicom", **day)["items"]) == 1
    assert asked(house, "dicom", **{"from": "2026-11-24 00:00"})["items"] == []


def test_what_a_device_sent_is_harmless_in_an_answer(house: House, sessions: list[str]) -> None:
    """No control, no bidirectional sign and no sequence is left in a hit."""
    [hit] = asked(house, "wiper")["items"]
    assert hit["session_id"] == sessions[1]
    assert hit["snippet"].isprintable()
    assert "\u202e" not in hit["snippet"]


def test_searching_takes_the_security_role_and_a_reason_and_is_journalled(
    house: House, sessions: list[str]
) -> None:
    """Others are refused, no reason no answer; the journal holds who asked what, why, and what was shown."""
    for login in ("alice", "dsi", "denis"):
        assert asked(house, "dicom", login)["status"] == 403
    with house.client("rssi") as client:
        assert client.get("/v1/search", params={"q": "dicom"}).status_code == 422
    asked(house, "dicom", device="scan01")
    filters = JournalFilters(hospital_id=house.world.id, name="search", newest_first=True)
    entry = house.run(house.journal.entries(filters)).entries[0]
    assert entry.event.actor == house.world.who("rssi")
    told = entry.event.details
    assert (told["query"], told["reason"], told["device"], told["hits"]) == ("dicom", WHY, "scan01", 1)
    assert told["sessions"] == [sessions[0]]


@pytest.mark.parametrize(
    ("typed", "english", "french"),
    [
        ('"tail', "close it", "fermez-la"),
        ("a*", "two letters", "deux lettres"),
        ("kind:nothing x", "is no kind", "n’est pas une nature"),
        ("--", "no letter", "ni lettre"),
    ],
)
def test_a_bad_query_says_what_is_wrong(house: House, typed: str, english: str, french: str) -> None:
    """The sentence names the fault, in the language of who asked."""
    for language, words in (("en", english), ("fr", french)):
        refused = asked(house, typed, language=language)
        assert (refused["status"], refused["errors"][0]["field"]) == (422, "q")
        assert words in refused["errors"][0]["message"]
    assert asked(house, "device:scan99 x")["status"] == 404


def test_the_command_line_finds_and_makes_anew(house: House, tmp_path: Path, sessions: list[str]) -> None:
    """``search`` shows where the replay opens, ``rebuild`` comes back with the state; a reason is asked for."""
    desk = Desk(house, tmp_path, "rssi")
    told = desk.run("search", '"tail -f"', "--device", "scan01", "--reason", WHY)
    assert told.exit_code == 0, told.output
    assert sessions[0][:8] in told.output
    assert "0:00:00" in told.output
    found = json.loads(desk.run("search", "dicom", "--reason", WHY, "--since", "2026-11-23", "--json").stdout)
    assert [hit["session_id"] for hit in found["items"]] == [sessions[0]]
    without = desk.run("search", "dicom")
    assert without.exit_code == 2
    assert "--reason" in without.output
    nothing = desk.run("search", "absentword", "--reason", WHY)
    assert "Nothing found" in nothing.output
    state = desk.run("search", "state")
    assert "Traces: 2 (indexed: 2," in state.output
    with house.client("rssi") as client:
        begun = client.post("/v1/search/rebuild").json()
        assert begun["indexed"] == client.get("/v1/search/standing").json()["progress"]["indexed"] == 0
    running = asyncio.run_coroutine_threadsafe(house.search.run(), house.loop)
    try:
        anew = desk.run("search", "rebuild", "--json")
    finally:
        running.cancel()
    assert json.loads(anew.stdout)["progress"]["indexed"] == 2
