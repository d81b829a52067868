"""The stub of a purged trace: its content is gone, and a signed record says by which rule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from recorder.errors import SignatureInvalid, TraceFormatError, TraceNotFound
from recorder.regular import regular
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import SUFFIX
from recorder.trace.manifest import Manifest
from recorder.trace.purge import PURGE, PURGE_SIGNATURE, PurgeRecord

MAX_RECORD = 1 << 20
_CONTENT = ("*.ecl", "*.wrap")


def is_stub(directory: Path) -> bool:
    """Whether a purge record lies in a trace's folder."""
    return (directory / PURGE).exists()


def signed_record(
    data: bytes,
    signature: bytes,
    keys: Sequence[PublicKey],
    *,
    session_id: str,
    hospital_id: str,
    manifest: bytes,
) -> PurgeRecord:
    """The record in *data*, where one of *keys* signed it, for the trace of this session and hospital with this manifest.

    Raises:
        SignatureInvalid: None of these keys signed the record.
        TraceFormatError: It is none, or that of another trace.
    """
    record = PurgeRecord.from_json(data)
    key = next((one for one in keys if one.key_id == record.signer), None)
    if key is None:
        raise SignatureInvalid(
            f"key {record.signer[:16]}, which is said to have signed the purge, is not known here"
        )
    key.verify(signature, data)
    told = (record.session_id, record.hospital_id, record.manifest_sha256)
    if told != (session_id, hospital_id, hashlib.sha256(manifest).hexdigest()):
        raise TraceFormatError("the purge record belongs to another trace")
    return record


def check_stub(directory: Path, manifest: Manifest, text: bytes, keys: Sequence[PublicKey]) -> PurgeRecord:
    """The record of a purged trace, where it holds.

    Args:
        directory: The trace's folder.
        manifest: Its manifest, verified.
        text: The bytes of that manifest.
        keys: Public keys of those who may purge: the same that sign checkpoints.

    Raises:
        SignatureInvalid: None of these keys signed the record.
        TraceFormatError: It is that of another trace, or content is still there.
        TraceNotFound: Its signature is missing.
    """
    record = signed_record(
        _read(directory / PURGE),
        _read(directory / PURGE_SIGNATURE),
        keys,
        session_id=manifest.session_id,
        hospital_id=manifest.hospital_id,
        manifest=text,
    )
    kept = {one["name"]: one["bytes"] for one in record.kept}
    left = sorted(
        path.name
        for pattern in _CONTENT
        for path in directory.glob(pattern)
        if path.suffix == SUFFIX or kept.get(path.name) != path.lstat().st_size
    )
    if left:
        raise TraceFormatError(f"{left[0]} is still there, and the record says that it was purged")
    for item in manifest.segments or ():
        path = directory / item["name"]
        if path.is_file() and _digest(path) != item["sha256"]:
            raise TraceFormatError(f"{path.name} is not the file that was signed")
    return record


def _digest(path: Path) -> str:
    with regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    try:
        with regular(path) as file:
            return file.read(MAX_RECORD)
    except OSError as error:
        raise TraceNotFound(f"file {path.name} cannot be read: {error.strerror}") from error
