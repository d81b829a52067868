"""Reading a trace at the console: the reason and the code before, the journal first, and what then comes out."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from recorder.audit.journal import JournalFilters
from recorder.capture.session import Recording
from recorder.replay import pieces
from recorder.trace.frames import FrameType, canonical
from tests.support.api_house import House
from tests.support.console import signed_in, token_of
from tests.support.player import play
from tests.support.recorded import pass_time, record, speak
from tests.support.waiting import until

pytestmark = pytest.mark.integration

HOSTILE = "\x1b]0;titre\x07\x1b]52;c;cGlyYXRl\x07</script><img src=x onerror=alert(1)>\r\n"
REASON = "Plainte du service d’imagerie"


@pytest.fixture(autouse=True)
def _calm(house: House) -> None:
    """Let the minute of the test before pass: sources are counted by the minute."""
    house.clock.advance(timedelta(minutes=2))


@pytest.fixture(scope="module")
def session_id(house: House) -> str:
    """A recorded session with hostile output, a command and a file with a hostile name."""

    def fill(recording: Recording) -> None:
        speak(recording, HOSTILE, "bonjour\r\n")
        recording.record(
            FrameType.REQUEST, 2, canonical({"request": "exec", "command": "systemctl stop tube"})
        )
        told = {
            "op": "upload",
            "path": "/x</script>\x1b[31m",
            "phase": "done",
            "size": 9,
            "sha256": "ab" * 32,
        }
        recording.record(FrameType.FILE, 3, canonical(told))

    return record(house, fill)


def readings(house: House, session_id: str) -> list[tuple[str | None, object, object]]:
    """What the journal says of readings of that session."""
    filters = JournalFilters(hospital_id=house.world.id, session_id=session_id, name="trace.read")
    entries = house.run(house.journal.entries(filters)).entries
    return [(one.event.actor, one.event.details["reason"], one.event.details["form"]) for one in entries]


def read(client: httpx.Client, session_id: str, **fields: str) -> httpx.Response:
    """Ask to read that trace, as the form does."""
    path = f"/console/sessions/{session_id}/read"
    form = {"form_token": token_of(client.get(path).text), "reason": REASON, **fields}
    return client.post(path, data=form)


PARTS = (
    "replay",
    "replay/beside",
    "replay/index.json",
    "replay/pauses.json",
    "replay/0.json",
    "transcript",
    "download",
)


def test_nothing_of_a_trace_comes_out_without_a_reason(house: House, session_id: str) -> None:
    """Each part leads to the question why, keeps the moment asked for, and shows nothing; nothing is journalled."""
    before = readings(house, session_id)
    with signed_in(house, "rssi") as client:
        for part in PARTS:
            answer = client.get(f"/console/sessions/{session_id}/{part}?t=12.5")
            assert answer.status_code == 303, part
            assert answer.headers["location"] == f"/console/sessions/{session_id}/read?t=12.5", part
        page = client.get(f"/console/sessions/{session_id}").text
        assert "systemctl" not in page
        assert read(client, session_id, reason="  ").status_code == 422
        refused = client.post(f"/console/sessions/{session_id}/read", data={"reason": REASON})
        assert refused.status_code == 403
    assert readings(house, session_id) == before


def test_the_journal_knows_before_anything_is_shown(house: House, session_id: str) -> None:
    """With a reason the trace is read in this session alone, and the journal says who, why and in which form."""
    before = len(readings(house, session_id))
    with signed_in(house, "rssi") as client, signed_in(house, "rssi") as other:
        answer = read(client, session_id, t="3")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/console/sessions/{session_id}/replay?t=3",
        )
        assert readings(house, session_id)[before:] == [(house.world.who("rssi"), REASON, "replay")]
        assert client.get(f"/console/sessions/{session_id}/replay").status_code == 200
        assert other.get(f"/console/sessions/{session_id}/replay").status_code == 303


def test_an_old_code_is_asked_for_again(house: House, session_id: str) -> None:
    """Long after the log-in a fresh code is asked for; a wrong one keeps what was typed, a right one goes on."""
    with signed_in(house, "rssi") as client:
        house.clock.advance(timedelta(minutes=15))
        asked = client.get(f"/console/sessions/{session_id}/read")
        assert 'name="code"' in asked.text
        for code, says in (("", "give the code"), ("000000", "not right")):
            answer = read(client, session_id, code=code)
            assert answer.status_code == 401
            assert says in answer.text
            assert f'value="{REASON}"' in answer.text
        assert client.get(f"/console/sessions/{session_id}/replay").status_code == 303
        assert read(client, session_id, code=house.next_code("rssi")).status_code == 303
        assert client.get(f"/console/sessions/{session_id}/replay").status_code == 200


def test_what_comes_out_is_the_session_and_harmless(house: House, session_id: str) -> None:
    """The player gets what passed as JSON; page, marks, files and transcript hold nothing that acts."""
    with signed_in(house, "rssi") as client:
        read(client, session_id)
        base = f"/console/sessions/{session_id}"
        for pauses in ("", "?pauses=short"):
            index = client.get(f"{base}/replay/index.json{pauses}")
            assert index.headers["content-type"] == "application/json"
            told = index.json()
            loaded = [client.get(f"{base}/replay/{one['url']}").json() for one in told["segments"]]
            shown = play(told, loaded.__getitem__)
            assert HOSTILE in shown
        page = client.get(f"{base}/replay")
        assert "'wasm-unsafe-eval'" in page.headers["content-security-policy"]
        assert "systemctl stop tube" in page.text
        assert "<img src=x" not in page.text
        assert "/x&lt;/script&gt;\\x1b[31m" in page.text
        assert "ab" * 32 in page.text
        assert f"SHA-256 {'ab' * 6}…" in page.text
        text = client.get(f"{base}/transcript")
        assert text.headers["content-type"].startswith("text/plain")
        assert "sandbox" in text.headers["content-security-policy"]
        assert "\x1b" not in text.text
        assert "bonjour" in text.text
        assert client.get(f"{base}/replay/7.json").status_code == 404


def test_a_download_has_its_own_reason(house: House, session_id: str) -> None:
    """The file leaves with a reason of its own in the journal, and is the asciicast of the whole session."""
    with signed_in(house, "rssi") as client:
        read(client, session_id)
        page = client.get(f"/console/sessions/{session_id}/download").text
        form = {"form_token": token_of(page), "reason": "Pièce pour le fournisseur"}
        answer = client.post(f"/console/sessions/{session_id}/download", data=form)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="{session_id}.cast"'
        assert answer.text.startswith('{"version": 3')
        assert readings(house, session_id)[-1][1:] == ("Pièce pour le fournisseur", "download")


def test_a_session_that_runs_is_not_read_yet(house: House) -> None:
    """While a session is open its closed trace is not there, and the page says so."""
    house.run(house.world.add_window())
    grant = house.run(house.world.grant())
    house.run(house.world.services.access.session_opened(grant, "gw1"))
    with signed_in(house, "rssi") as client:
        assert "read once the session is over" in client.get(f"/console/sessions/{grant.session_id}").text
        assert client.get(f"/console/sessions/{grant.session_id}/read").status_code in {404, 409}
    house.run(house.world.services.access.session_closed(grant.hospital_id, grant.session_id, "left"))


def test_a_long_recording_s_pictures_are_drawn_apart(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own draws what each piece begins with; every piece is what the player demands."""
    monkeypatch.setattr(pieces, "SEGMENT", 900)
    monkeypatch.setattr(pieces, "CAUGHT_UP", 0)

    def fill(recording: Recording) -> None:
        for number in range(120):
            pass_time(recording, 1)
            speak(recording, f"ligne {number} {'.' * 50}\r\n")

    long = record(house, fill)
    with signed_in(house, "rssi") as client:
        read(client, long)
        base = f"/console/sessions/{long}/replay"
        index = client.get(f"{base}/index.json").json()
        assert len(index["segments"]) > 4
        loaded = [client.get(f"{base}/{one['url']}").json() for one in index["segments"]]
        play(index, loaded.__getitem__)
        first = next(data for _, code, data in loaded[-1]["events"] if code == "o")
        number = int(first.split()[1])
        assert f"ligne {number - 1} " in loaded[-1]["snapshot"]["init"]
        monkeypatch.setattr(pieces, "MOST", 3_000)
        gone = record(house, fill)
        read(client, gone)
        assert "too long for a browser" in client.get(f"/console/sessions/{gone}/replay").text
        assert client.get(f"/console/sessions/{gone}/transcript").status_code == 200


def test_a_long_recording_is_cut_once_for_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was drawn is kept: whoever reads later has every piece at once, in her language; what is damaged is made anew."""
    monkeypatch.setattr(pieces, "SEGMENT", 900)

    def fill(recording: Recording) -> None:
        for number in range(60):
            pass_time(recording, 1)
            speak(recording, f"ligne {number} {'.' * 50}\r\n")
        recording.record(FrameType.WARNING, 1, canonical({"warning": "input_unseen"}))

    long = record(house, fill)
    kept = house.directory / "search" / "replay" / house.world.id / f"{long}.zip"
    base = f"/console/sessions/{long}/replay"

    def loaded(client: httpx.Client) -> list[Any]:
        index = client.get(f"{base}/index.json").json()
        found = [client.get(f"{base}/{one['url']}").json() for one in index["segments"]]
        play(index, found.__getitem__)
        return found

    with signed_in(house, "rssi") as client:
        read(client, long)
        client.get(f"{base}/index.json")
        until(kept.exists, "the recording is kept")
        drawn = loaded(client)
        house.context.recordings._kept.clear()
        monkeypatch.setattr("admin_api.console.staff.replay.cut", None)  # nothing is cut any more
        assert loaded(client) == drawn
        monkeypatch.undo()
        monkeypatch.setattr(pieces, "SEGMENT", 900)
        stored = bytearray(kept.read_bytes())
        at = stored.index(b"1.picture") - 60
        stored[at : at + 8] = bytes(8)
        kept.write_bytes(stored)
        house.context.recordings._kept.clear()
        assert client.get(f"{base}/1.json").status_code == 503
        assert not kept.exists()
        assert client.get(f"{base}/1.json").status_code == 200
        until(kept.exists, "it is kept again")
        assert loaded(client) == drawn


def test_a_broken_trace_is_told_and_the_console_goes_on(house: House) -> None:
    """A trace that somebody changed is not played past its first bad record: the page says that it cannot be read."""
    broken = record(house, lambda recording: speak(recording, "bonjour\r\n" * 40))
    trace = house.store.open(house.world.id, broken) / "trace-000001.ecl"
    stored = bytearray(trace.read_bytes())
    stored[-3] ^= 1
    trace.chmod(0o640)
    trace.write_bytes(stored)
    with signed_in(house, "rssi") as client:
        read(client, broken)
        answer = client.get(f"/console/sessions/{broken}/replay/beside")
        assert answer.status_code == 409
        assert "cannot be read" in answer.text
