"""Files that show a reader one thing and the stand-alone verifier another, tried on the golden store."""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from recorder.proof import verifier

STORE = Path(__file__).parents[2] / "vectors" / "proof-v1"
TRUSTED = STORE.with_name("proof-v1-keys")


class Verified:
    """Runs the command on a copy of the golden store, as its user does."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.patch = patch
        self._capture = capture

    def by(self, path: Path, *more: str) -> tuple[int, str]:
        """Exit status, and what it wrote."""
        named = ["--key", str(TRUSTED / "gateways"), "--checkpoint-key", str(TRUSTED / "checkpoints")]
        self.patch.setattr(sys, "argv", ["verifier", str(path), *named, *more])
        status = verifier.main()
        return status, "".join(self._capture.readouterr())

    def found(self, *more: str) -> tuple[int, list[tuple[str, str]], list[tuple[str, str]]]:
        """Exit status, findings and remarks of the whole store, with everything that is believed named."""
        known = ["--anchors", str(STORE / "anchors.jsonl"), "--ca", str(STORE / "authority.pem")]
        status, text = self.by(self.folder, "--json", *(more or known))
        told: dict[str, Any] = json.loads(text)
        findings, remarks = (
            [(one["place"], one["what"]) for one in told[kind]] for kind in ("findings", "remarks")
        )
        return status, findings, remarks


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verified:
    """A copy to attack."""
    shutil.copytree(STORE, tmp_path / "store", copy_function=shutil.copyfile)
    return Verified(tmp_path / "store", monkeypatch, capsys)


def test_a_changed_trace_does_not_hide_behind_a_good_copy_elsewhere(store: Verified) -> None:
    """The product reads the one in its place, so that two traces of a session are found, and the touched one too."""
    trace = min(store.folder.rglob("manifest.json")).parent
    shutil.copytree(trace, store.folder / "traces" / "zzz" / trace.name)
    path = trace / "trace-000001.ecl"
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    status, findings, _ = store.found()
    assert status == 1
    assert {("trace", "twice"), ("trace", "digest")} <= set(findings)


def test_another_hospitals_traces_in_the_same_store_are_no_strangers(store: Verified) -> None:
    """A bucket of two hospitals is verified for one of them; what is put in under its own path is named all the same."""
    traces = store.folder / "traces"
    one = min(traces.rglob("manifest.json")).parent
    shutil.copytree(one, traces / ("b" * 32) / "2026/11/29" / ("e" * 32))
    assert store.found()[:2] == (0, [])
    shutil.copytree(one, one.with_name("f" * 32))
    assert store.found()[:2] == (1, [("trace", "stranger")])


@pytest.mark.parametrize(
    ("name", "number", "word", "place"),
    [
        ("journal/journal-2026-11-29.log", 3, b'"name"', "journal"),
        ("catalogue.jsonl", 0, b"Alice", "catalogue"),
    ],
    ids=["an entry", "a row"],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_forged_line_does_not_hide_behind_the_true_one(
    store: Verified, name: str, number: int, word: bytes, place: str, *, first: bool
) -> None:
    """Whichever of both a reader of the file comes upon, the other one is named."""
    path = store.folder / name
    lines = path.read_bytes().splitlines(keepends=True)
    forged = lines[number].replace(word, b"Mallory" if word == b"Alice" else b'"xame"')
    assert forged != lines[number]
    lines.insert(number + (0 if first else 1), forged)
    path.write_bytes(b"".join(lines))
    status, findings, _ = store.found()
    assert status == 1
    assert (place, "twice") in findings


def test_a_row_does_not_say_one_thing_to_one_parser_and_another_to_the_next(store: Verified) -> None:
    """Of a name that stands twice, some parsers take the first and some the last: a row has one form alone."""
    path = store.folder / "catalogue.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"closed":', b'{"closed":null,"closed":', 1))
    status, findings, _ = store.found()
    assert status == 1
    assert ("catalogue", "format") in findings


def test_the_same_line_twice_is_no_touch(store: Verified) -> None:
    """Byte for byte the same says nothing else."""
    path = store.folder / "catalogue.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    assert store.found() == (0, [], [])


def _rolled_back(folder: Path, sessions: list[str]) -> None:
    """Leave two checkpoints, and call it an extract."""
    for path in (folder / "checkpoints").rglob("*.*"):
        if int(path.name.split(".")[0]) > 2:
            path.unlink()
    content = next((folder / "checkpoints").rglob("*.json")).read_bytes()
    hospital = json.loads(content)["hospital_id"]
    for path in (folder / "journal").iterdir():
        path.unlink()
    (folder / "catalogue.jsonl").unlink()
    told = {"format": "ecluse-extract", "version": 1, "hospital_id": hospital, "sessions": sessions}
    (folder / "extract.json").write_text(json.dumps(told))


def test_a_store_rolled_back_is_not_called_an_extract_of_nothing(store: Verified) -> None:
    """An extract that names no session is none."""
    _rolled_back(store.folder, [])
    shutil.rmtree(store.folder / "traces")
    assert store.found() == (1, [("extract", "format")], [])


def test_an_extract_says_that_it_is_one_and_of_what(store: Verified) -> None:
    """Who was given a part for the whole reads it under the verdict."""
    name = f"{1:032x}"
    _rolled_back(store.folder, [name])
    for trace in [path.parent for path in store.folder.rglob("manifest.json")]:
        if trace.name != name:
            shutil.rmtree(trace)
    _, text = store.by(store.folder)
    assert f"AN EXTRACT: it proves 1 sessions ({name}), and says nothing of any other." in text


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82, *size.to_bytes(2, "big")])
    return bytes([tag]) + length + content


def test_a_time_that_stands_before_a_time_stamp_is_not_the_time_that_it_says(store: Verified) -> None:
    """Around a token is text that nobody signed: whoever writes another date there dates nothing."""
    path = next(store.folder.rglob("*.tsr"))
    answer = path.read_bytes()
    token = answer[answer.index(bytes.fromhex("06092a864886f70d010702")) - 4 :]
    assert token[0] == 0x30
    before = b"x\nTST info:\nTime stamp: Dec  9 03:04:05 2026 GMT"
    status = _der(0x30, b"\x02\x01\x00" + _der(0x30, _der(0x0C, before)))
    path.write_bytes(_der(0x30, status + token))
    assert store.found() == (0, [], [])


def test_an_authority_that_came_with_its_stamps_is_remarked(store: Verified) -> None:
    """Who made the package may have made the authority: it is not believed without a word."""
    (store.folder / "keys").mkdir()
    shutil.copyfile(STORE / "authority.pem", store.folder / "keys" / "authorities.pem")
    assert store.found("--anchors", str(STORE / "anchors.jsonl")) == (3, [], [("keys", "own")])


def test_a_package_with_two_files_of_one_name_is_touched(store: Verified, tmp_path: Path) -> None:
    """One program unpacks the first, another the last: such a package is refused before anything is read."""
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("transcript.txt", "what happened")
        package.writestr("Transcript.txt", "what did not")
    status, text = store.by(path)
    assert status == 1
    assert "holds transcript.txt more than once" in text


def test_a_package_larger_than_the_disk_is_not_unpacked(store: Verified, tmp_path: Path) -> None:
    """A bomb costs a sentence: what the package says of its own size is held to the room there is."""
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("zeros", bytes(1 << 16))
    data = bytearray(path.read_bytes())
    listed = data.index(b"PK\x01\x02")
    data[listed + 24 : listed + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    room = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    store.patch.setattr(shutil, "disk_usage", lambda _folder: room)
    status, text = store.by(path)
    assert status == 2
    assert "unpacks to 4294967280 bytes" in text
