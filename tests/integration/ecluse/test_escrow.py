"""A reader's key out of the safe opens an exported trace, with its passphrase and without a console."""

from pathlib import Path

import pytest

from recorder.seal import passphrase
from recorder.seal.wrapping import generate_reader_key
from recorder.trace.frames import FrameType
from tests.support.installed import ecluse
from tests.support.traces import closed_trace

pytestmark = pytest.mark.integration
PHRASE = "cheval agrafe pile correct"


@pytest.fixture
async def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a closed trace that the key escrow.pem alone opens, behind a passphrase cheap to guess."""
    monkeypatch.setattr(passphrase, "COST", 1 << 10)
    generate_reader_key(tmp_path / "escrow.pem", PHRASE)
    trace, _ = await closed_trace(
        tmp_path / "made",
        lambda recording: recording.record(FrameType.OUTPUT, 1, b"bonjour du coffre\r\n"),
        reader_keys=(tmp_path / "escrow.pem.pub",),
    )
    return trace


def test_the_passphrase_is_piped_in_or_in_a_file(exported: Path, tmp_path: Path) -> None:
    """Both give the transcript; the passphrase is not written anywhere."""
    command = ("traces", "transcript", str(exported), "--reader-key", str(tmp_path / "escrow.pem"))
    piped = ecluse(*command, typed=f"{PHRASE}\n")
    assert piped.exit_code == 0, piped.output
    assert "bonjour du coffre" in piped.output
    assert PHRASE not in piped.output
    kept = tmp_path / "phrase"
    kept.write_text(f"{PHRASE}\nanother line\n")
    of_file = ecluse(*command, ECLUSE_READER_PASSPHRASE_FILE=str(kept))
    assert "bonjour du coffre" in of_file.output


@pytest.mark.parametrize("typed", ["faux\n", "\n", ""])
def test_a_wrong_passphrase_says_so(exported: Path, tmp_path: Path, typed: str) -> None:
    """Nothing of the trace is shown, and the sentence names the file."""
    key = tmp_path / "escrow.pem"
    told = ecluse("traces", "transcript", str(exported), "--reader-key", str(key), typed=typed)
    assert told.exit_code == 1
    assert "bonjour" not in told.output
    assert f"does not open {key}" in told.output


def test_a_passphrase_file_that_is_not_there_is_named(exported: Path, tmp_path: Path) -> None:
    """A variable that points nowhere is told, not taken for an empty passphrase."""
    key = str(tmp_path / "escrow.pem")
    gone = str(tmp_path / "gone")
    told = ecluse(
        "traces", "transcript", str(exported), "--reader-key", key, ECLUSE_READER_PASSPHRASE_FILE=gone
    )
    assert (told.exit_code, gone in told.output) == (1, True)
