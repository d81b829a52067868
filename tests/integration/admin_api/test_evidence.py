"""Evidence packages of really recorded sessions: made, read, checked by a plain Python process, tampered with."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.retention.journal import JournalKeeper
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import JournalFilters
from recorder.replay.neutral import neutralise
from recorder.retention.witness import Witness
from tests.support.api_house import House
from tests.support.evidence_package import DECISION, content, fill, judged, names, repacked, unpacked
from tests.support.own_machine import Desk
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration

WHY = {"reason": "Plainte <b>2026-114</b>"}


@pytest.fixture(scope="module")
def session_id(house: House) -> str:
    """One session of alice, in the store."""
    made = record(house, fill, purpose="=1+1 </script>", decision=DECISION)
    for name, about in (("session.opened", made), ("access.denied", None), ("session.closed", made)):
        event = SecurityEvent(
            name=name,
            hospital_id=house.world.id,
            at=house.clock.now(),
            actor="gateway",
            person_id=house.world.who("alice"),
            session_id=about,
            details={"why": "=1+1 <b>"},
        )
        house.run(house.journal.append(event))
    return made


@pytest.fixture(scope="module")
def package(house: House, session_id: str) -> bytes:
    """Its evidence package, as the API sends it."""
    with house.client("rssi", "fr") as client:
        answer = client.get("/v1/evidence", params={**WHY, "session": session_id})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


@pytest.fixture(scope="module")
def verifier(package: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verifier that is in it, in a folder of its own."""
    path = tmp_path_factory.mktemp("verifier") / "verifier.py"
    path.write_text(content(package, "verifier.py"))
    return path


def test_a_stranger_with_python_alone_finds_it_intact(
    package: bytes, verifier: Path, house: House, session_id: str, tmp_path: Path
) -> None:
    """Zip and folder verify; but for the keys that came with it nothing is open, and with the hospital's own nothing at all."""
    file = tmp_path / "evidence.zip"
    file.write_bytes(package)
    status, found = judged(file, verifier)
    assert (status, found["findings"], [one["what"] for one in found["remarks"]]) == (3, [], ["own"])
    assert (found["counts"]["traces"], found["counts"]["files"]) == (1, len(names(package)) - 2)
    assert found["counts"]["checkpoints"] >= 1
    folder = unpacked(package, tmp_path / "open")
    (folder / ".DS_Store").write_bytes(b"left by a Mac")
    keys = ("trace-signing.pem.pub", "checkpoint-signing.pem.pub")
    gateway, console = (str(house.directory / name) for name in keys)
    anchors = str(folder / "anchors.jsonl")
    options = ("--key", gateway, "--checkpoint-key", console, "--anchors", anchors)
    status, found = judged(folder, verifier, *options)
    assert (status, found["remarks"]) == (0, [])
    assert found["counts"]["anchors"] == found["counts"]["checkpoints"]
    assert session_id in content(package, "extract.json")


def test_a_machine_that_cannot_check_signatures_says_so(
    package: bytes, verifier: Path, tmp_path: Path
) -> None:
    """Where openssl is missing or knows no Ed25519, the answer is neither intact nor touched."""
    file = tmp_path / "evidence.zip"
    file.write_bytes(package)
    assert "Ed25519" in judged(file, verifier, path=str(tmp_path))[1]["error"]
    (tmp_path / "openssl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "openssl").chmod(0o755)
    assert judged(file, verifier, path=f"{tmp_path}:/bin")[0] == 2


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (r"sessions/.*/transcript\.fr\.txt", "package"),
        (r"sessions/.*/transcript\.en\.txt", "package"),
        (r"sessions/.*/session\.cast", "package"),
        (r"sessions/.*/files\.csv", "package"),
        (r"sessions/.*/journal\.csv", "package"),
        (r"sessions/.*/decision\.json", "package"),
        (r"DOSSIER\.html", "package"),
        (r"COMMENT-VERIFIER\.html", "package"),
        (r"verifier\.py", "package"),
        (r"anchors\.jsonl", "package"),
        (r"traces/.*/trace-000001\.ecl", "trace"),
        (r"traces/.*/manifest\.json", "trace"),
        (r"traces/.*/manifest\.sig", "trace"),
        (r"checkpoints/.*\.json", "checkpoint"),
        (r"checkpoints/.*\.sig", "checkpoint"),
        (r"journal/journal\.log", "journal"),
        (r"index\.json", "package"),
        (r"index\.sig", "package"),
        (r"extract\.json", "package"),
    ],
)
def test_whatever_file_is_changed_is_named(
    package: bytes, verifier: Path, tmp_path: Path, pattern: str, place: str
) -> None:
    """A byte flipped in any kind of file is found, and where."""
    touched: list[str] = []

    def change(name: str, data: bytes) -> bytes:
        if touched or not re.fullmatch(pattern, name):
            return data
        touched.append(name)
        return _flip(data)

    made = repacked(package, change)
    assert touched, pattern
    (tmp_path / "evidence.zip").write_bytes(made)
    status, found = judged(tmp_path / "evidence.zip", verifier)
    assert status == 1
    assert place in {one["place"] for one in found["findings"]}, found


def _without_proof_of_the_rest(name: str, data: bytes) -> bytes | None:
    if name.startswith("index.") or name == "extract.json":
        return None
    return data.replace(b"premier", b"dernier") if name.endswith("fr.txt") else data


ATTACKS: dict[str, Callable[[str, bytes], bytes | None]] = {
    "a file is gone": lambda name, data: None if name.endswith("fr.txt") else data,
    "the index is gone": lambda name, data: None if name.startswith("index.") else data,
    "its signature is gone": lambda name, data: None if name == "index.sig" else data,
    "the trace is gone": lambda name, data: None if name.startswith("traces/") else data,
    "the checkpoints are gone": lambda name, data: None if name.startswith("checkpoints/") else data,
    "the journal is emptied": lambda name, data: b"" if name == "journal/journal.log" else data,
    "the keys are others": lambda name, data: b"" if name.startswith("keys/checkpoints") else data,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_taken_away_is_missed(package: bytes, verifier: Path, tmp_path: Path, attack: str) -> None:
    """Whatever part is left out, the package is not intact."""
    (tmp_path / "evidence.zip").write_bytes(repacked(package, ATTACKS[attack]))
    status, _ = judged(tmp_path / "evidence.zip", verifier)
    assert status in {1, 2}


def test_what_is_put_in_is_named(package: bytes, verifier: Path, tmp_path: Path, session_id: str) -> None:
    """A file more, a name twice, and a package passed off as a mere export are all told."""
    made = io.BytesIO(package)
    with zipfile.ZipFile(made, "a") as file:
        file.writestr(f"SESSIONS/{session_id}/transcript.fr.txt", "J'ai tout fait.")
    (tmp_path / "more.zip").write_bytes(made.getvalue())
    status, found = judged(tmp_path / "more.zip", verifier)
    assert (status, {one["what"] for one in found["findings"]}) == (1, {"twice"})
    folder = unpacked(package, tmp_path / "open")
    (folder / "sessions" / "aveux.txt").write_text("J'ai tout fait.")
    status, found = judged(folder, verifier)
    assert (status, {one["what"] for one in found["findings"]}) == (1, {"stranger"})
    (tmp_path / "export.zip").write_bytes(repacked(package, _without_proof_of_the_rest))
    status, found = judged(tmp_path / "export.zip", verifier)
    assert status in {1, 3}
    assert "unlisted" in {one["what"] for one in found["remarks"]}


def test_nothing_in_it_acts(package: bytes, session_id: str) -> None:
    """Pages hold no script and no tag of a stranger's, text no control character, tables no formula, names no path."""
    for name in ("DOSSIER.html", "COMMENT-VERIFIER.html", "RECORD.html", "HOW-TO-VERIFY.html"):
        page = content(package, name)
        assert "default-src 'none'" in page
        assert not re.search(
            r"<script|<img|<b>2026|<i>tube|javascript:|src=|url\(|https?://", page.replace("http://x", "")
        )
    text = content(package, f"sessions/{session_id}/transcript.fr.txt")
    assert neutralise(text, keep="\n\t") == text
    assert "</script" not in content(package, f"sessions/{session_id}/session.cast")
    table = content(package, f"sessions/{session_id}/files.csv")
    assert "'=HYPERLINK" in table
    assert len(table.splitlines()) == 3, "a header and a line for each operation"
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", name) for name in names(package))


def test_the_french_page_tells_a_judge(package: bytes) -> None:
    """Who, of what right with every rule, what was typed unseen, the file's digest, the journal, and the limits."""
    page = content(package, "DOSSIER.html")
    for said in (
        *("Alice Martin", "scan01", "Plainte &lt;b&gt;2026-114", "S21", "Règle respectée", "Z9"),
        *("saisie non affichée", "n’est gardé nulle part", "ab" * 32, "quelles mains ont tapé", "à décharge"),
    ):
        assert said in page, said
    check = content(package, "COMMENT-VERIFIER.html")
    assert "INTACT" in check
    assert re.search(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", check)
    assert "Exécute" in page
    assert "exonerate" in content(package, "RECORD.html")


def test_the_english_page_tells_its_marks_in_english(package: bytes) -> None:
    """A judge's expert who reads English finds no French among what was done."""
    page = content(package, "RECORD.html")
    assert "Runs: reboot" in page
    assert "Exécute" not in page


def test_a_package_is_a_reading(house: House, package: bytes, session_id: str) -> None:
    """The journal has who read it and why, before and as such; an administrator gets none, nobody without a reason."""
    filters = JournalFilters(hospital_id=house.world.id, session_id=session_id)
    entries = house.run(house.journal.entries(filters)).entries
    read = [one.event for one in entries if one.event.name == "trace.read"]
    assert [(one.actor, one.details["form"]) for one in read] == [(house.world.who("rssi"), "evidence")]
    assert [one.event.details["reason"] for one in entries if one.event.name == "evidence.made"] == [
        WHY["reason"]
    ]
    with house.client("dsi") as client:
        assert client.get("/v1/evidence", params={**WHY, "session": session_id}).status_code == 403
    with house.client("rssi") as client:
        assert client.get("/v1/evidence", params={"session": session_id}).status_code == 422
        both = client.get("/v1/evidence/plan", params={"session": session_id, "person": "alice"})
        assert both.json()["errors"][0]["field"] == "session"
        assert client.get("/v1/evidence/plan", params={"person": "alice"}).status_code == 422
        assert client.get("/v1/evidence", params={**WHY, "session": "f" * 32}).status_code == 404
    assert package


def test_a_person_over_a_period_from_the_command_line(
    house: House, verifier: Path, tmp_path: Path, session_id: str
) -> None:
    """All her sessions of the period and no other are in one file, which says what nobody holds, and verifies."""
    rssi = Desk(house, tmp_path, "rssi")
    start = house.clock.now() + timedelta(hours=1)
    house.clock.advance(timedelta(hours=2))
    first = record(house, lambda one: speak(one, "un\r\n"))
    house.run(house.proofs.checkpoint("test", force=True))
    house.clock.advance(timedelta(hours=2))
    second = record(house, lambda one: speak(one, "deux\r\n"))
    period = ("--from", start.isoformat(), "--to", (house.clock.now() + timedelta(minutes=1)).isoformat())
    target = tmp_path / "alice.zip"
    made = rssi.json(
        *(
            "evidence",
            "make",
            "--person",
            "alice",
            *period,
            "--reason",
            "Réquisition",
            "--output",
            str(target),
        )
    )
    assert made["sessions"] == [first, second]
    assert made["unheld"] == [first, second]
    assert session_id not in " ".join(names(target.read_bytes()))
    status, found = judged(target, verifier)
    assert (status, found["findings"], found["counts"]["traces"]) == (3, [], 2)
    assert target.stat().st_mode & 0o777 == 0o600
    again = rssi.run("evidence", "make", first, "--reason", "Réquisition", "--output", str(target))
    assert (again.exit_code, "with --output" in again.output) == (1, True), again.output
    shown = rssi.run(
        "evidence", "make", second, "--reason", "Réquisition", "--output", str(tmp_path / "b.zip")
    )
    assert "holds place" in shown.output
    keys = rssi.run("evidence", "keys").output
    assert re.search(r"checkpoints and packages +([0-9a-f]{4} ){15}", keys)


def test_a_trace_that_does_not_hold_is_told_and_handed_over(
    house: House, tmp_path: Path, verifier: Path
) -> None:
    """A changed original goes into the package as it lies: page, transcript and verifier say so."""
    made = record(house, lambda one: speak(one, "bonjour\r\n" * 50))
    trace = house.store.open(house.world.id, made) / "trace-000001.ecl"
    trace.chmod(0o640)
    trace.write_bytes(_flip(trace.read_bytes()))
    with house.client("rssi") as client:
        package = client.get("/v1/evidence", params={**WHY, "session": made}).content
    assert "ICI LA TRACE NE TIENT PLUS" in content(package, f"sessions/{made}/transcript.fr.txt")
    assert "ne se vérifie pas" in content(package, "DOSSIER.html")
    (tmp_path / "evidence.zip").write_bytes(package)
    status, found = judged(tmp_path / "evidence.zip", verifier)
    assert (status, {one["place"] for one in found["findings"]}) == (1, {"trace"})


def test_entries_that_went_by_rule_are_told_as_such(house: House, verifier: Path, tmp_path: Path) -> None:
    """Four hundred days on, pages and index say why the journal is silent, and not of a session of today."""
    old = record(house, lambda one: speak(one, "autrefois\r\n"))
    event = SecurityEvent(
        name="session.opened",
        hospital_id=house.world.id,
        at=house.clock.now(),
        actor="gateway",
        session_id=old,
    )
    house.run(house.journal.append(event))
    house.run(house.proofs.checkpoint("test", force=True))
    with house.client("rssi") as client:
        package = client.get("/v1/evidence", params={**WHY, "session": old}).content
    assert json.loads(content(package, "index.json"))["journal_purge"] is None
    assert "journal/purge.json" not in names(package)
    table = f"sessions/{old}/journal.csv"
    assert "session.opened" in content(package, table)
    house.clock.advance(timedelta(days=400))
    keeper = JournalKeeper(house.world.services, house.proofs, house.world.id, house.clock)
    assert house.run(keeper.purge(Witness(house.clock.now(), None, [])))
    new = record(house, lambda one: speak(one, "aujourd'hui\r\n"))
    house.run(house.proofs.checkpoint("test", force=True))
    with house.client("rssi") as client:
        asked = {**WHY, "session": [old, new]}
        package = client.get("/v1/evidence", params=asked).content
    assert "session.opened" not in content(package, table)
    gone = json.loads(content(package, "index.json"))["journal_purge"]
    made = content(package, "journal/purge.json")
    assert gone["digest"] == hashlib.sha256(made.encode()).hexdigest()
    assert gone["number"] == json.loads(made)["number"]
    assert gone["purged_at"] == json.loads(made)["purged_at"]
    said = {"DOSSIER.html": "c’est par la règle", "RECORD.html": "that is by rule"}
    for name, words in said.items():
        one, other = re.split(r'<h2 id="s[12]">', content(package, name))[1:]
        assert words in one
        assert words not in other
        assert "journal/purge.json" in one
    (tmp_path / "evidence.zip").write_bytes(package)
    status, found = judged(tmp_path / "evidence.zip", verifier)
    assert (status, found["findings"]) == (3, [])
    (tmp_path / "bad.zip").write_bytes(
        repacked(package, lambda name, data: _flip(data) if name == "journal/purge.json" else data)
    )
    assert judged(tmp_path / "bad.zip", verifier)[0] == 1
