"""An extract proves a few sessions to somebody who does not get the rest."""

import argparse
import asyncio
import json
import shutil
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recorder.errors import TraceNotFound
from recorder.proof import verifier
from recorder.proof.extract import extract
from tests.support.proof_store import SESSIONS, ProofStore, build, copy_of
from tests.support.traces import HOSPITAL

pytestmark = pytest.mark.integration

ONE = SESSIONS[2]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> ProofStore:
    """The store that extracts are made of."""
    return asyncio.run(build(tmp_path_factory.mktemp("proofs")))[0]


@pytest.fixture
async def store(original: ProofStore, tmp_path: Path) -> AsyncIterator[ProofStore]:
    """A copy of it."""
    made = copy_of(original, tmp_path)
    yield made
    await made.close()


async def packed(store: ProofStore, target: Path, *, journal: bool = False) -> Path:
    """An extract of the third session, with its trace."""
    await extract(store.database(), HOSPITAL, [ONE], target, store.public_keys(), journal=journal)
    shutil.copytree(store.trace(3), target / "traces" / ONE)
    return target


def verified(path: Path, store: ProofStore, *, own_keys: bool = False) -> verifier.Report:
    """What the stand-alone verifier says of it."""
    names = ("signing.pem.pub", "checkpoint.pem.pub")
    gateways, consoles = (None if own_keys else [store.folder / name] for name in names)
    options = argparse.Namespace(
        key=gateways, checkpoint_key=consoles, store=None, anchors=[store.anchors], ca=None
    )
    report = verifier.Report()
    verifier.verify_path(path, options, report)
    return report


def kinds(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Places and codes."""
    return [(one["place"], one["what"]) for one in findings]


async def test_an_extract_proves_its_session_and_holds_no_other(store: ProofStore, tmp_path: Path) -> None:
    """Its checkpoints and its trace verify by known keys and all anchors; nothing of the other sessions is in it."""
    target = await packed(store, tmp_path / "extract")
    found = verified(target, store)
    assert (found.findings, found.remarks) == ([], [])
    assert (found.counts["traces"], found.counts["records"]) == (1, 5)
    assert 0 < found.counts["checkpoints"] < 6
    assert list((target / "journal").iterdir()) == []
    told = json.loads((target / "extract.json").read_text())
    assert told["sessions"] == [ONE]


async def test_the_journals_runs_are_proved_up_to_a_checkpoint(store: ProofStore, tmp_path: Path) -> None:
    """A run that begins in the middle of its chain holds by the head at its end, and a changed entry in it does not."""
    await store.about(ONE)
    await store.checkpoint()
    target = await packed(store, tmp_path / "extract", journal=True)
    assert (
        verified(target, store).counts["entries"] == 0
    )  # the entry came after the checkpoints of the session
    await store.purge(3)  # so that one more checkpoint tells of the session
    await store.checkpoint()
    target = await packed(store, tmp_path / "later", journal=True)
    found = verified(target, store)
    assert found.findings == []
    assert found.counts["entries"] > 0
    log = target / "journal" / "journal.log"
    log.write_bytes(log.read_bytes().replace(b"session.opened", b"session.0pened"))
    assert ("journal", "digest") in kinds(verified(target, store).findings)


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("trace gone", ("trace", "missing")),
        ("another trace", ("trace", "stranger")),
        ("checkpoint gone", ("trace", "stranger")),
        ("checkpoint forged", ("checkpoint", "signature")),
        ("extract of another", ("extract", "format")),
    ],
)
async def test_an_extract_that_does_not_prove_what_it_says_is_found(
    store: ProofStore, tmp_path: Path, attack: str, expected: tuple[str, str]
) -> None:
    """Whatever is missing from it or was put into it is named."""
    target = await packed(store, tmp_path / "extract")
    telling = [path for path in target.glob("checkpoints/*/*.json") if ONE in path.read_text()]
    if attack == "trace gone":
        shutil.rmtree(target / "traces" / ONE)
    elif attack == "another trace":
        shutil.copytree(store.trace(1), target / "traces" / SESSIONS[0])
    elif attack == "checkpoint gone":
        for path in telling:
            path.unlink()
    elif attack == "checkpoint forged":
        telling[0].write_bytes(telling[0].read_bytes().replace(b'"node":"console"', b'"node":"c0nsole"'))
    else:
        told = json.loads((target / "extract.json").read_text())
        (target / "extract.json").write_text(json.dumps({**told, "hospital_id": "f" * 32}))
    assert expected in kinds(verified(target, store).findings)


async def test_keys_that_came_with_an_extract_prove_only_that_they_match(
    store: ProofStore, tmp_path: Path
) -> None:
    """Somebody may have made both: without keys of one's own it is said, and the exit status is another."""
    found = verified(await packed(store, tmp_path / "extract"), store, own_keys=True)
    assert found.findings == []
    assert kinds(found.remarks) == [("keys", "own")]


async def test_a_package_is_read_from_its_zip(
    store: ProofStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file is enough for the command, and it says INTACT."""
    target = await packed(store, tmp_path / "extract")
    package = tmp_path / "evidence.zip"
    with zipfile.ZipFile(package, "w") as file:
        for path in sorted(target.rglob("*")):
            file.write(path, path.relative_to(target))
    monkeypatch.setattr("sys.argv", ["verifier", str(package)])
    assert verifier.main() == 3
    assert "INTACT: " in capsys.readouterr().out


async def test_a_session_that_no_checkpoint_tells_of_yet_is_refused(
    store: ProofStore, tmp_path: Path
) -> None:
    """The way out is said: make a checkpoint first."""
    with pytest.raises(TraceNotFound, match="no checkpoint tells yet"):
        await extract(store.database(), HOSPITAL, ["f" * 32], tmp_path / "extract", store.public_keys())
