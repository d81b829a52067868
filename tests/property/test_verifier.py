"""The stand-alone verifier says of every trace what the product's own verification says."""

import argparse
import ast
import asyncio
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.proof import verifier
from recorder.replay.reader import TraceReader, verify
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import ReaderKey, generate_reader_key
from recorder.trace.frames import FrameType
from tests.support.traces import header, passed, studio, unexpected

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("trace-v*"))
STORE = Path(__file__).parents[1] / "vectors" / "proof-v1"
TRUSTED = STORE.with_name("proof-v1-keys")
"""As somebody has them from elsewhere."""
GOLDEN_COUNTS = {
    "anchors": 7,
    "checkpoints": 7,
    "entries": 66,
    "entries_purged": 0,
    "purged": 1,
    "records": 20,
    "stamps": 1,
    "traces": 4,
}
SOURCE = Path(verifier.__file__)
_NAMES = ("trace.ecl", "manifest.json", "manifest.sig", "0.wrap", "1.wrap")
"""Files of the trace that are changed; a number stands for that wrap."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sealed trace, whole, beside which each example makes its own."""
    made = tmp_path_factory.mktemp("verifier")
    asyncio.run(_record(made))
    yield made
    _kept.cache_clear()


async def _record(folder: Path) -> None:
    for number in (0, 1):
        generate_reader_key(folder / f"reader-{number}.pem")
    readers = tuple(folder / f"reader-{number}.pem.pub" for number in (0, 1))
    async with studio(folder / "made", reader_keys=readers) as made:
        opened = header("a" * 32)
        recording = await made.recorder.open(opened, unexpected)
        for text in (b"login: ", b"alice", b"dose 3 mGy " * 40, b"exit"):
            await passed(recording, FrameType.OUTPUT, 1, text)
        await recording.close("client_left")
        shutil.copytree(made.trace("a" * 32), folder / "whole")
        (folder / "key.pub").write_bytes(made.public_key.to_pem())
    for path in (folder / "whole").iterdir():
        path.chmod(0o600)


@lru_cache(maxsize=4)
def _kept(folder: Path) -> tuple[dict[str, bytes], PublicKey, verifier.Keys]:
    files = {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}
    return files, PublicKey.load(folder / "key.pub"), verifier.Keys([folder / "key.pub"])


changes = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.sampled_from(_NAMES), st.integers(0, 1 << 16), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.sampled_from(_NAMES), st.integers(0, 1 << 16), st.just(0)),
        st.tuples(st.just("insert"), st.sampled_from(_NAMES), st.integers(0, 1 << 16), st.integers(0, 255)),
        st.tuples(st.just("delete"), st.sampled_from(_NAMES), st.just(0), st.just(0)),
    ),
    max_size=2,
)


@given(changes)
@settings(max_examples=120, deadline=None)
def test_both_say_the_same_of_a_changed_trace(folder: Path, made: list[tuple[str, str, int, int]]) -> None:
    """Whatever bytes are changed, cut off, put in or deleted: the same code and the same record, or both say intact."""
    files, key, keys = _kept(folder)
    content = dict(files)
    wraps = sorted(name for name in files if name.endswith(".wrap"))
    for what, wanted, place, value in made:
        name = wraps[int(wanted[0])] if wanted.endswith(".wrap") else wanted
        if name not in content:
            continue
        data = bytearray(content[name])
        at = place % (len(data) or 1)
        if what == "delete":
            del content[name]
            continue
        if what == "flip" and data:
            data[at] ^= value
        elif what == "cut":
            del data[at:]
        else:
            data.insert(at, value)
        content[name] = bytes(data)
    target = folder / "changed"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name, one in content.items():
        (target / name).write_bytes(one)
    problem = verify(target, key).problem
    expected = (problem.what, problem.record) if problem is not None else None
    assert _alone(target, keys) == expected


def _alone(folder: Path, keys: verifier.Keys) -> tuple[str, int | None] | None:
    try:
        verifier.verify_trace(folder, keys)
    except verifier.Wrong as wrong:
        return wrong.what, wrong.record
    return None


@pytest.mark.parametrize("golden", VECTORS, ids=lambda path: path.name)
def test_the_golden_trace_of_each_released_format_is_intact(golden: Path) -> None:
    """What was ever released verifies alone, for ever."""
    keys = verifier.Keys([golden / "key.pub"])
    assert verifier.verify_trace(golden, keys)["records"] > 0


def test_the_golden_store_is_intact(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints, journal, anchors, time stamp, sealed and segmented traces and a stub, as first released, for ever."""
    named = [
        "--key",
        str(TRUSTED / "gateways"),
        "--checkpoint-key",
        str(TRUSTED / "checkpoints"),
        "--anchors",
        str(STORE / "anchors.jsonl"),
    ]
    monkeypatch.setattr(
        sys, "argv", ["verifier", str(STORE), *named, "--ca", str(STORE / "authority.pem"), "--json"]
    )
    assert verifier.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["remarks"] == []
    assert told["counts"] == GOLDEN_COUNTS


@pytest.mark.parametrize("number", [1, 3, 4])
def test_the_golden_sealed_traces_are_still_read(number: int, tmp_path: Path) -> None:
    """Today's reader opens them with the reader's key of the time, in one segment or in several."""
    [trace] = STORE.glob(f"traces/*/*/*/*/{number:032x}")
    shutil.copyfile(STORE / "reader.pem", tmp_path / "reader.pem")
    (tmp_path / "reader.pem").chmod(0o600)
    with TraceReader(trace, [ReaderKey.load(tmp_path / "reader.pem")]) as reader:
        said = [frame.payload for frame in reader.frames() if frame.type is FrameType.OUTPUT]
    assert said == [b"login: ", b"alice", b"dose 3 mGy", b"exit"]
    keys = [PublicKey.load(path) for path in (TRUSTED / "gateways").glob("*.pub")]
    assert [verify(trace, key).intact for key in keys] == [True]


def test_it_is_one_file_that_old_pythons_read_and_imports_nothing_of_the_product() -> None:
    """Python 3.9 can parse it; besides the standard library it asks for cryptography alone, and can go without."""
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 9))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {"ecluse", "policy", "recorder", "gateway", "admin_api", "embedded"}
    assert not {name.split(".")[0] for name in modules} & ours
    assert {name.split(".")[0] for name in modules} <= {
        *("__future__", "argparse", "base64", "hashlib", "io", "json", "re", "struct", "subprocess", "sys"),
        *("shutil", "tempfile", "zipfile", "collections", "datetime", "pathlib", "typing", "cryptography"),
    }


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the golden store to be changed."""
    copy = tmp_path_factory.mktemp("golden") / "store"
    shutil.copytree(STORE, copy)
    return copy


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("journal/x.log", '{"event":null,"outbox_id":null,"previous":"","seq":1,"version":1,"writer":"w"}'),
        ("journal/x.log", '{"writer":{},"seq":[]}'),
        ("journal/x.log", "[" * 100_000),
        ("catalogue.jsonl", '{"session_id":"x","opened":3,"closed":"y"}'),
        ("catalogue.jsonl", '{"session_id":["x"]}'),
        ("checkpoints/0000000099.json", '{"journal":3}'),
    ],
    ids=range(6),
)
def test_a_hostile_export_is_a_finding_and_never_a_crash(
    golden: Path, name: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever JSON somebody put there, the command says TOUCHED, on a terminal that has no such mark too."""
    path = golden / name
    before = path.read_bytes() if path.exists() else None
    digest = hashlib.sha256(b"ecluse journal v1 entry\x00" + line.encode()).hexdigest()
    text = f"{digest} {line}\n" if name.endswith(".log") else f"{line}\n"
    path.write_bytes((before or b"") + text.encode())
    named = ["--key", str(TRUSTED / "gateways"), "--checkpoint-key", str(TRUSTED / "checkpoints")]
    monkeypatch.setattr(sys, "argv", ["verifier", str(golden), *named])
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", screen)
    try:
        assert verifier.main() == 1
    finally:
        path.unlink() if before is None else path.write_bytes(before)
    screen.seek(0)
    assert "TOUCHED" in screen.read()


FILES = [
    *sorted(
        str(path.relative_to(STORE))
        for path in STORE.rglob("*")
        if path.is_file() and path.parent != STORE and path.suffix != ".tsr"
    ),
    "catalogue.jsonl",
]
"""All that is proved; a time stamp has bytes that it does not sign, and anchors are what is believed."""


@given(st.sampled_from(FILES), st.integers(0, 1 << 20), st.integers(1, 255))
@settings(max_examples=80, deadline=None)
def test_every_flipped_bit_of_a_whole_store_is_found(golden: Path, name: str, place: int, value: int) -> None:
    """Whichever byte of whichever file is changed, something is found, and nothing but findings comes out."""
    path = golden / name
    whole = path.read_bytes()
    data = bytearray(whole)
    data[place % len(data)] ^= value
    path.write_bytes(data)
    report = verifier.Report()
    options = argparse.Namespace(
        key=[TRUSTED / "gateways"],
        checkpoint_key=[TRUSTED / "checkpoints"],
        store=None,
        anchors=[golden / "anchors.jsonl"],
        ca=None,
    )
    try:
        verifier.verify_path(golden, options, report)
    finally:
        path.write_bytes(whole)
    assert report.findings
