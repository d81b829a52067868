"""The proof of a rehearsal: that an archive was restored, when, and what stood there, signed by a key that it held."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ecluse.backup.restoring import Restored
from ecluse.errors import BackupError
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

_SIGNED: Final = b"ecluse backup rehearsal v1\x00"
LARGEST: Final = 64 * 1024


def prove(restored: Restored, at: datetime, machine: str, signer: SigningKey) -> bytes:
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
