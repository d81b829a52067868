"""The proof of a rehearsal: that an archive was restored, when, and what stood there, signed by a key that it held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ecluse.backup import bucket
from ecluse.backup.examination import Traces
from ecluse.backup.making import ELSEWHERE
from ecluse.backup.restoring import Restored, Targets, examined, settings_of
from ecluse.errors import BackupError
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal import documents
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace import instants

PURPOSE: Final = "backup rehearsal"
LARGEST: Final = 64 * 1024
_LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was found: the traces of a folder, what became of a bucket's inventory, and the key that proves it.

    ``bucket`` is None where there is none, and where it was not looked at.
    """

    traces: Traces
    bucket: Mapping[str, Any] | None
    signer: SigningKey


async def rehearse(restored: Restored, directory: Path, targets: Targets, *, with_bucket: bool) -> Rehearsed:
    """Look at what was *restored* into *directory* and the *targets*, to be proved and thrown away.

    The traces of a folder are verified, a bucket is held to its inventory where that is asked for. Raises BackupError,
    also where the journal is broken, and where the bucket's inventory is to be looked at and cannot be; SettingsError.
    """
    settings = settings_of(directory, directory / ELSEWHERE, restored.header)
    standing = examined(settings, targets, None)
    if not restored.journal.intact:
        first = restored.journal.findings[0]
        raise BackupError("backup.unproven", why=f"{first.name}: {first.detail}")
    try:
        signer = SigningKey.load(settings.checkpoint_key)
    except SignatureInvalid as error:
        raise BackupError("backup.unproven", why=str(error)) from error
    if settings.store.bucket is None:
        at = instants.parse(restored.header["made_at"])
        return Rehearsed(await standing.traces(at), None, signer)
    found = None
    if with_bucket:
        if restored.bucket is not None and "unreached" in restored.bucket:
            raise BackupError("backup.not_listed", bucket=settings.store.bucket)
        found = await bucket.compare(standing, settings.data_dir)
    return Rehearsed(Traces(0, ()), found, signer)


def prove(restored: Restored, rehearsed: Rehearsed, at: datetime, machine: str) -> bytes:
    """Return the proof, signed by the restored installation's own key: whoever has it opened the archive."""
    header, traces, signer = restored.header, rehearsed.traces, rehearsed.signer
    content = {
        "version": 1,
        "archive": header["archive"],
        "hospital_id": header["hospital_id"],
        "made_at": header["made_at"],
        "rehearsed_at": instants.text(at),
        "machine": machine,
        "files": restored.files,
        "traces": {"intact": traces.intact, "broken": list(traces.broken)[:_LISTED]},
        "bucket": rehearsed.bucket,
        "journal": {
            "entries": restored.journal.counts["entries"],
            "checkpoints": restored.journal.counts["checkpoints"],
            "intact": restored.journal.intact,
        },
    }
    return documents.signed(content, PURPOSE, signer)


def read_proof(path: Path, keys: Sequence[PublicKey]) -> Mapping[str, Any]:
    """Return what the proof at *path* says, once one of *keys* signed it. Raises BackupError."""
    try:
        with path.open("rb") as file:
            content, _ = documents.opened(file.read(LARGEST), PURPOSE, keys)
    except OSError as error:
        raise BackupError("backup.unreadable", path=str(path), why=error.strerror) from error
    except (SignatureInvalid, TraceFormatError) as error:
        raise BackupError("backup.no_proof", path=str(path)) from error
    return content
