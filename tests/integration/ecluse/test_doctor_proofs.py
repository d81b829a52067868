"""What ``ecluse doctor`` says of checkpoints: their key, who stamps them, who remembers them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse import settings
from ecluse.diagnosis.proofs import checkpoints, newest
from ecluse.sections import CheckpointSection
from policy.clock import ManualClock
from policy.i18n import load
from recorder.proof.notary import Notary
from recorder.seal.signing import SigningKey
from recorder.store.database import Database

pytestmark = pytest.mark.integration


def findings(config: Path, **written: object) -> dict[str, tuple[str, str]]:
    """What is found of each thing, and how bad it is; each has its words in both languages."""
    section = CheckpointSection.model_validate(written)
    values = settings.load(config).model_copy(update={"checkpoints": section})
    found = {}
    for symptom in checkpoints(values):
        for saying in (symptom.subject, symptom.finding, symptom.remedy):
            if saying is not None:
                for language in ("fr", "en"):
                    load("ecluse").translate(saying.key, language, timezone="UTC", **saying.arguments)
        name = symptom.subject.key.removeprefix("doctor.")
        found[name] = (symptom.finding.key.rpartition(".")[2], symptom.level.value)
    return found


def test_checkpoints_that_nobody_else_remembers_are_noticed(config: Path) -> None:
    """A fresh installation signs them, and is told that this proves nothing against who rules the machine."""
    assert findings(config) == {
        "checkpoint_key": ("good", "good"),
        "checkpoint_anchors": ("none", "notice"),
    }


def test_each_thing_that_is_set_is_looked_at(config: Path, tmp_path: Path) -> None:
    """A CA that cannot be read and a folder that is not mounted fail; what serves is good."""
    authority = {"name": "tsa", "url": "http://tsa.example/tsa", "ca": "tls/none.pem"}
    found = findings(config, authorities=[authority], anchor_file=str(tmp_path / "none" / "anchors"))
    assert found["stamp_authority"] == ("unusable", "failed")
    assert found["checkpoint_anchors"] == ("unwritable", "failed")
    found = findings(config, authorities=[{**authority, "ca": "tls/ca.pem"}])
    assert found["stamp_authority"] == ("good", "good")
    assert found["checkpoint_anchors"] == ("stamped", "notice")
    found = findings(config, anchor_file=str(tmp_path / "anchors"), anchor_syslog="unix:/dev/log")
    assert found["checkpoint_anchors"] == ("good", "good")


def test_a_key_that_is_missing_other_or_exposed_fails(config: Path) -> None:
    """Each of them keeps the console from starting, or its checkpoints from verifying."""
    key = config.parent / "keys/checkpoint-signing.pem"
    other = findings(config, public_keys=["keys/trace-signing.pem.pub"])
    assert other["checkpoint_key"] == ("other", "failed")
    key.chmod(0o644)
    assert findings(config)["checkpoint_key"] == ("unusable", "failed")
    key.unlink()
    assert findings(config)["checkpoint_key"] == ("missing", "failed")


async def test_checkpoints_that_stopped_are_told(config: Path) -> None:
    """None yet is well; one of today is; where the newest is days old, the console is down or cannot make them."""
    values, clock = settings.load(config), ManualClock(datetime(2026, 11, 29, tzinfo=UTC))

    async def found() -> list[str]:
        keys = [symptom.finding.key for symptom in await newest(values, clock)]
        return [key.rpartition(".")[2] for key in keys if "checkpoint" in key]

    assert await found() == ["none"]
    database = Database(values.trace_url())
    key = SigningKey.load(values.checkpoint_key)
    notary = Notary(database, key, hospital_id=values.hospital_id, node="console", now=clock.now)
    await notary.make(force=True)
    await database.dispose()
    assert await found() == ["good"]
    clock.advance(timedelta(days=3))
    assert await found() == ["old"]
    (config.parent / "traces.db").unlink()
    assert await found() == []
