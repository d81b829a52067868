"""A purge record that excuses what a bucket lost is one that a console signed, for that very trace."""

from pathlib import Path

from ecluse.backup.bucket import purged_by_right
from recorder.seal.signing import SigningKey, generate_key
from tests.support.proof_store import ProofStore, build, copy_of
from tests.support.traces import HOSPITAL


def by_right(store: ProofStore, number: int, hospital_id: str = HOSPITAL) -> bool:
    """Ask of the trace of that number, for the installation of *hospital_id*."""
    folder = store.trace(number).relative_to(store.folder / "traces")
    keys = [SigningKey.load(store.folder / "checkpoint.pem").public]
    return purged_by_right(store.traces, hospital_id, keys, str(folder))


async def test_only_a_record_that_a_console_signed_for_this_trace_is_believed(tmp_path: Path) -> None:
    """A record by another key, another trace's, one without signature and none at all excuse nothing."""
    made, _ = await build(tmp_path / "made")
    store = copy_of(made, tmp_path / "store")
    assert not by_right(store, 1)
    await store.purge(1)
    generate_key(tmp_path / "other.pem")
    await store.purge(2, key=SigningKey.load(tmp_path / "other.pem"))
    assert (by_right(store, 1), by_right(store, 2)) == (True, False)
    for name in ("purge.json", "purge.sig"):
        (store.trace(3) / name).write_bytes((store.trace(1) / name).read_bytes())
    assert not by_right(store, 3)
    assert by_right(store, 2, hospital_id="f" * 32)  # another's: its keys are not here
    (store.trace(1) / "purge.sig").unlink()
    assert not by_right(store, 1)
    await store.close()
