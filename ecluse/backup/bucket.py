"""The bucket in a backup: what was in it is listed, its objects stay where they are, and the list is held to what is there."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecluse import composition
from ecluse.backup.examination import Examination, Manifests
from ecluse.errors import BackupError
from ecluse.settings import Settings
from recorder.errors import SignatureInvalid, StoreUnavailable, TraceFormatError, TraceNotFound
from recorder.ports import TraceStore
from recorder.replay.stub import signed_record
from recorder.seal.signing import PublicKey
from recorder.store.folder import place_of
from recorder.trace import instants
from recorder.trace.frames import parse_object
from recorder.trace.place import MANIFEST
from recorder.trace.purge import PURGE, PURGE_SIGNATURE

if TYPE_CHECKING:
    from recorder.store.bucket import Kept
    from recorder.store.inventory import Comparison

INVENTORY: Final = "bucket-inventory.jsonl"
"""In the data directory of what was restored. Its first line says of what it is, and when it was made."""


def record(settings: Settings, folder: Path, at: datetime) -> tuple[Path | None, Mapping[str, Any] | None]:
    """Write the inventory of the settings' bucket into *folder*; return the file, and what the backup says of it.

    A store that does not answer stops no backup: there is no file then, and ``unreached`` says why. Both are None where
    a folder keeps the traces. Raises SettingsError, OSError.
    """
    bucket = composition.bucket_settings(settings, settings.console_store_credentials)
    if bucket is None:
        return None, None
    from recorder.store import inventory  # its library is loaded where a bucket is set

    about = {"bucket": bucket.bucket, "endpoint": bucket.endpoint or "", "prefix": bucket.prefix}
    path, versions = folder / INVENTORY, 0
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps({**about, "at": instants.text(at)}) + "\n")
            for one in inventory.take(bucket):
                file.write(inventory.line(one))
                versions += 1
    except StoreUnavailable as error:
        path.unlink()
        return None, {**about, "unreached": str(error)}
    path.chmod(0o600)
    return path, {**about, "versions": versions}


async def compare(standing: Examination, directory: Path) -> dict[str, Any]:
    """Hold the inventory that was restored into *directory*, and the catalogue, to the bucket as it is now.

    Return what became of it, for scripts and proofs: counts, and the first of what is wrong by name. Raises BackupError
    where there is no inventory, or the bucket does not answer; SettingsError.
    """
    found = await asyncio.to_thread(_compared, standing, directory)
    return _told(found, await standing.manifests())


def purged_by_right(store: TraceStore, hospital_id: str, keys: Sequence[PublicKey], folder: str) -> bool:
    """Tell whether the purge record in the trace's *folder* is of this trace, and signed by one of *keys*.

    Another hospital's is believed, for its keys are not here. Raises StoreUnavailable.
    """
    try:
        place = place_of(folder)
        if place.hospital_id != hospital_id:
            return True
        data, signature, manifest = (
            store.document(place, name) for name in (PURGE, PURGE_SIGNATURE, MANIFEST)
        )
        signed_record(
            data, signature, keys, session_id=place.session_id, hospital_id=hospital_id, manifest=manifest
        )
    except (TraceNotFound, TraceFormatError, SignatureInvalid):
        return False
    return True


def _compared(standing: Examination, directory: Path) -> "Comparison":
    settings = standing.settings
    bucket = composition.bucket_settings(settings, settings.console_store_credentials)
    if bucket is None:
        raise BackupError("backup.no_bucket")
    from recorder.store import inventory

    retention = timedelta(days=settings.store.retention_days)
    try:
        return inventory.compare(
            _restored(directory / INVENTORY),
            inventory.take(bucket),
            at=datetime.now(UTC),
            retention=retention,
            signed=partial(purged_by_right, standing.store(), settings.hospital_id, standing.consoles),
        )
    except StoreUnavailable as error:
        raise BackupError("backup.bucket_unreached", why=str(error)) from error
    except OSError as error:
        raise BackupError("backup.no_inventory", path=str(directory / INVENTORY)) from error


def _restored(path: Path) -> "Iterator[Kept]":
    from recorder.store import inventory

    with path.open(encoding="utf-8") as file:
        try:
            parse_object(file.readline().encode(), "inventory")
            for text in file:
                yield inventory.read(text)
        except TraceFormatError as error:
            raise BackupError("backup.no_inventory", path=str(path)) from error


def _told(found: "Comparison", manifests: Manifests) -> dict[str, Any]:
    from recorder.store.inventory import NAMED

    faults = {name: getattr(found, name) for name in ("missing", "changed", "hidden", "unreadable")}
    counts = ("versions", "same", "copied", "purged", "expired", "newer")
    named = {name: list(one.names) for name, one in faults.items() if one.count}
    for name, sessions in (("lost", manifests.lost), ("other", manifests.changed)):
        if sessions:
            named[name] = list(sessions[:NAMED])
    return {
        "whole": found.whole and not manifests.lost and not manifests.changed,
        **{name: getattr(found, name) for name in counts},
        **{name: one.count for name, one in faults.items()},
        "manifests": manifests.checked,
        "lost": len(manifests.lost),
        "other": len(manifests.changed),
        "named": named,
    }
