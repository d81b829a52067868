"""The whole store proved through API and command line: intact, touched, rolled back, unproven."""

import argparse
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.proof import verifier
from recorder.proof.anchors import Anchor
from recorder.trace.frames import FrameType
from tests.support.api_house import House, open_house
from tests.support.own_machine import Desk
from tests.support.recorded import record, speak
from tests.support.traces import header

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sessions(house: House) -> list[str]:
    """Three sessions recorded, under one checkpoint."""
    made = [record(house, lambda recording: speak(recording, "bonjour\r\n" * 5)) for _ in range(3)]
    house.run(house.proofs.checkpoint("console"))
    return made


def anchors_file(house: House, path: Path, *further: Anchor) -> Path:
    """What another machine remembers of the house's checkpoints."""
    with house.client("rssi") as client:
        items = client.get("/v1/checkpoints").json()["items"]
    known = [Anchor(house.world.id, one["sequence"], one["digest"], one["at"]) for one in items]
    lines = [f"Nov 29 05:53:53 logger ecluse: {one.to_json().decode()}" for one in (*known, *further)]
    path.write_text("\n".join(["a line of somebody else", *lines]) + "\n")
    return path


def test_everything_untouched_is_intact_and_the_bar_is_no_part_of_the_answer(
    house: House, sessions: list[str], tmp_path: Path
) -> None:
    """``traces verify --all`` ends by 0, names the newest checkpoint, and its JSON is JSON alone."""
    rssi = Desk(house, tmp_path, "rssi")
    done = rssi.run("traces", "verify", "--all", "--anchors", str(anchors_file(house, tmp_path / "anchors")))
    assert done.exit_code == 0, done.output
    assert "Everything is intact: 3 traces" in done.output
    assert "Newest checkpoint: number 1" in done.output
    proof = rssi.json("traces", "verify", "--all")
    assert (proof["valid"], proof["counts"]["traces"], proof["findings"]) == (True, len(sessions), [])
    listed = rssi.json("audit", "list", "--name", "store.verified")
    assert [entry["details"]["intact"] for entry in listed] == [True, True]


def test_progress_comes_before_the_proof(house: House, sessions: list[str]) -> None:
    """The stream tells each trace as it is done, and ends by the proof."""
    with house.client("rssi") as client, client.stream("POST", "/v1/traces/verify") as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    told = [line["done"] for line in lines if line.get("part") == "traces"]
    assert told == list(range(1, len(sessions) + 1))
    assert [list(line) for line in lines[-1:]] == [["proof"]]


def test_the_journal_is_proved_with_its_checkpoints_and_anchors(
    house: House, sessions: list[str], tmp_path: Path
) -> None:
    """``audit verify`` holds the journal to the checkpoints; an anchor of one that is not there is a rolled-back store."""
    assert sessions
    rssi = Desk(house, tmp_path, "rssi")
    made = rssi.json("audit", "checkpoint")[-1]
    proof = rssi.json("audit", "verify", "--anchors", str(anchors_file(house, tmp_path / "anchors")))
    assert proof["newest"] == made["sequence"] == proof["checkpoints"]
    later = Anchor(house.world.id, made["sequence"] + 1, "0" * 64, "2026-11-30T00:00:00.000000Z")
    known = anchors_file(house, tmp_path / "anchors", later)
    for command in (("audit", "verify"), ("traces", "verify", "--all")):
        done = rssi.run(*command, "--anchors", str(known))
        assert done.exit_code == 1
        assert "rolled back" in done.output
    for name in ("journal.verified", "store.verified"):
        assert rssi.json("audit", "list", "--name", name)[-1]["details"]["place"] == "anchor"


def test_an_export_is_verified_elsewhere_by_the_one_file(
    house: House, sessions: list[str], tmp_path: Path
) -> None:
    """``audit export`` and ``audit verifier`` are all that a stranger needs, with the traces, keys and anchors: no package."""
    rssi = Desk(house, tmp_path, "rssi")
    assert rssi.run("audit", "export", str(tmp_path / "export")).exit_code == 0
    assert rssi.run("audit", "export", str(tmp_path / "export")).exit_code == 1
    program = tmp_path / "ecluse-verify.py"
    program.write_text(rssi.run("audit", "verifier").stdout)
    anchors = anchors_file(house, tmp_path / "anchors")
    # without site-packages: whatever the product depends on is not there
    command = [
        sys.executable,
        "-I",
        "-S",
        str(program),
        str(tmp_path / "export"),
        "--store",
        str(house.store.root),
    ]
    for option, name in (("key", "trace-signing.pem.pub"), ("checkpoint-key", "checkpoint-signing.pem.pub")):
        command += [f"--{option}", str(house.directory / name)]
    done = subprocess.run([*command, "--anchors", str(anchors)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("INTACT: ")
    assert f"{len(sessions)} traces" in done.stdout
    unnamed = subprocess.run(command[:5], capture_output=True, text=True, check=False).stdout
    assert "? keys: " in unnamed, unnamed
    told = json.loads(
        subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout
    )
    assert (told["valid"], told["counts"]["traces"]) == (True, len(sessions))
    row = next((tmp_path / "export" / "journal").glob("*.log"))
    row.write_bytes(
        row.read_bytes().replace(b"Alice", b"Alyce").replace(b"journal.opened", b"journal.opemed")
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[digest]" in done.stdout
    done = subprocess.run([*command[:4], str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert (done.returncode, "could not verify" in done.stderr) == (2, True)


def test_what_proves_one_session_is_exported_alone(house: House, sessions: list[str], tmp_path: Path) -> None:
    """``audit export --session`` and ``traces export --format files`` make a folder that the one file verifies."""
    rssi, target = Desk(house, tmp_path, "rssi"), tmp_path / "one"
    assert rssi.json("audit", "export", str(target), "--session", sessions[1])["sessions"] == [sessions[1]]
    place = target / "traces" / sessions[1]
    reading = ("--format", "files", "--reason", "Expertise")
    assert rssi.run("traces", "export", sessions[1], str(place), *reading).exit_code == 0
    report = verifier.Report()
    options = argparse.Namespace(
        key=[house.directory / "trace-signing.pem.pub"],
        checkpoint_key=[house.directory / "checkpoint-signing.pem.pub"],
        store=None,
        anchors=[],
        ca=None,
    )
    verifier.verify_path(target, options, report)
    assert (report.findings, report.counts["traces"]) == ([], 1)
    assert not (target / "catalogue.jsonl").exists()
    told = rssi.json("audit", "list", "--name", "proofs.exported")[-1]
    assert told["details"] == {"sessions": [sessions[1]]}
    with house.client("rssi") as client:
        assert client.get("/v1/proofs/export", params={"session": "f" * 32}).status_code == 404


def test_anchors_that_are_none_are_refused_with_the_way_out(house: House, tmp_path: Path) -> None:
    """A file without an anchor of this hospital is named, and nothing is verified by it."""
    rssi = Desk(house, tmp_path, "rssi")
    for text in ("nothing\n", '{"format":"ecluse-anchor"}\n'):
        (tmp_path / "anchors").write_text(text)
        done = rssi.run("audit", "verify", "--anchors", str(tmp_path / "anchors"))
        assert done.exit_code == 1
        assert "holds no anchor" in done.output
    assert rssi.run("audit", "verify", "--anchors", str(tmp_path / "none")).exit_code == 1
    assert rssi.run("traces", "verify").exit_code == 2
    assert rssi.run("traces", "verify", "x", "--all").exit_code == 2


def test_what_was_touched_is_named_and_what_never_came_is_told_apart(tmp_path: Path) -> None:
    """A record changed ends by 1 and names trace and record; a trace that never came ends by 3 and names the session."""
    (tmp_path / "house").mkdir()
    with open_house(tmp_path / "house") as house:
        rssi = Desk(house, tmp_path, "rssi")
        first = record(house, lambda recording: recording.record(FrameType.OUTPUT, 1, b"dose"))
        house.run(house.proofs.checkpoint("console"))
        folder = house.store.open(house.world.id, first)
        shutil.copytree(folder, tmp_path / "kept")
        trace = folder / "trace-000001.ecl"
        data = bytearray(trace.read_bytes())
        data[-1] ^= 1
        trace.chmod(0o640)
        trace.write_bytes(data)
        done = rssi.run("traces", "verify", "--all")
        assert done.exit_code == 1
        assert f"trace {first}: record 2 was changed." in done.output
        trace.write_bytes((tmp_path / "kept" / "trace-000001.ecl").read_bytes())
        assert rssi.run("traces", "verify", "--all").exit_code == 0
        house.run(
            house.catalog.opened(header("e" * 32, hospital_id=house.world.id, started_at=house.clock.now()))
        )
        house.clock.advance(timedelta(hours=1))
        done = rssi.run("traces", "verify", "--all")
        assert done.exit_code == 3
        assert f"trace {'e' * 32}: its session was opened, and its trace never came." in done.output
        shutil.rmtree(folder)
        done = rssi.run("traces", "verify", "--all")
        assert done.exit_code == 1
        assert f"trace {first}: it is not in the store" in done.output
