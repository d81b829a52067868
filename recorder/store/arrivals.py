"""Traces that are in the store and whose end the catalogue does not know: after a restoration, all that came since."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from recorder.errors import RecorderError
from recorder.ports import TraceStore
from recorder.replay.reader import Verification, read_manifest, verify
from recorder.seal.signing import PublicKey
from recorder.store.catalog import Catalog
from recorder.store.tables import sessions_closed
from recorder.trace.place import MANIFEST


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The sessions that the catalogue knows now, and those that it cannot be told of: their traces do not verify."""

    entered: tuple[str, ...]
    refused: tuple[str, ...]


async def enter(
    catalog: Catalog,
    store: TraceStore,
    hospital_id: str,
    keys: Sequence[PublicKey],
    consoles: Sequence[PublicKey],
) -> Arrivals:
    """Tell the catalogue of each trace in the store that verifies and that it does not know to be closed.

    Args:
        catalog: Told what headers and manifests say.
        store: Where the traces are.
        hospital_id: Whose.
        keys: Public keys of the gateways.
        consoles: Public keys that sign wraps made later.

    Raises:
        SQLAlchemyError: The database refuses.
        StoreUnavailable: The store does not answer.
    """
    query = select(sessions_closed.c.session_id).where(sessions_closed.c.hospital_id == hospital_id)
    async with catalog.database.read() as connection:
        known = set((await connection.execute(query)).scalars())
    by_id = {key.key_id: key for key in keys}
    entered, refused = [], []
    for session_id in await asyncio.to_thread(store.sessions, hospital_id):
        if session_id in known:
            continue
        found, digest = await asyncio.to_thread(_look, store, hospital_id, session_id, by_id, consoles)
        if found is None or found.header is None or found.manifest is None:
            refused.append(session_id)
            continue
        await catalog.opened(found.header)
        await catalog.closed(found.manifest, digest)
        entered.append(session_id)
    return Arrivals(tuple(entered), tuple(refused))


def _look(
    store: TraceStore,
    hospital_id: str,
    session_id: str,
    keys: Mapping[str, PublicKey],
    consoles: Sequence[PublicKey],
) -> tuple[Verification | None, str]:
    """What a trace says of itself, and the digest of its manifest; None where it does not verify as that session's."""
    place = store.find(hospital_id, session_id)
    with store.opened(place) as folder:
        try:
            key = keys.get(read_manifest(folder).signer)
        except RecorderError:
            key = None
        if key is None:
            return None, ""
        found = verify(folder, key, consoles=consoles)
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    header = found.header
    own = header is not None and (header.hospital_id, header.session_id) == (hospital_id, session_id)
    return (found if own and found.intact else None), digest
