"""The proof of a rehearsal: that an archive was restored, when, and what stood there, signed by a key that it held."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ecluse.backup.making import ELSEWHERE
from ecluse.backup.restoring import Restored, settings_of
from ecluse.errors import BackupError
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.replay.reader import verify
from recorder.seal.signing import PublicKey, SigningKey
from recorder.store.folder import FolderStore
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

_SIGNED: Final = b"ecluse backup rehearsal v1\x00"
LARGEST: Final = 64 * 1024
_LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces that stand in a restored folder: how many verify, and which do not."""

    intact: int
    broken: tuple[str, ...]


def verify_traces(directory: Path, header: Mapping[str, Any]) -> Traces:
    """Verify each trace that was restored into *directory*, of the archive of *header*, by the keys restored with it."""
    settings = settings_of(directory, directory / ELSEWHERE, header)
    recorders = [PublicKey.load(path) for path in settings.trace_public_keys]
    consoles = [PublicKey.load(path) for path in settings.checkpoint_public_keys]
    intact, broken = 0, []
    if settings.store.bucket is None and settings.trace_folder.is_dir():
        store = FolderStore(settings.trace_folder, now=lambda: datetime.now(UTC))
        for session_id in store.sessions(settings.hospital_id):
            folder = settings.trace_folder / store.find(settings.hospital_id, session_id).folder
            if any(verify(folder, key, consoles=consoles).intact for key in recorders):
                intact += 1
            else:
                broken.append(session_id)
    return Traces(intact, tuple(broken))


def prove(restored: Restored, traces: Traces, at: datetime, machine: str, signer: SigningKey) -> bytes:
    """Return the proof, signed by the restored installation's own key: whoever has it opened the archive."""
    header = restored.header
    content = {
        "version": 1,
        "archive": header["archive"],
        "hospital_id": header["hospital_id"],
        "made_at": header["made_at"],
        "rehearsed_at": instants.text(at),
        "machine": machine,
        "files": restored.files,
        "traces": {"intact": traces.intact, "broken": list(traces.broken)[:_LISTED]},
        "journal": {"entries": restored.journal.entries, "intact": restored.journal.intact},
        "signer": signer.public.key_id,
    }
    signature = base64.b64encode(signer.sign(_SIGNED + canonical(content))).decode()
    return canonical({**content, "signature": signature}) + b"\n"


def read_proof(path: Path, keys: Sequence[PublicKey]) -> Mapping[str, Any]:
    """Return what the proof at *path* says, once one of *keys* signed it. Raises BackupError."""
    try:
        with path.open("rb") as file:
            content = parse_object(file.read(LARGEST), "proof of a rehearsal")
        signature = base64.b64decode(str(content.pop("signature", "")), validate=True)
        known = {key.key_id: key for key in keys}
        known[str(content.get("signer"))].verify(signature, _SIGNED + canonical(content))
    except OSError as error:
        raise BackupError("backup.unreadable", path=str(path), why=error.strerror) from error
    except (SignatureInvalid, TraceFormatError, binascii.Error, KeyError) as error:
        raise BackupError("backup.no_proof", path=str(path)) from error
    return content
