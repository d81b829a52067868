"""One trace's data key for other readers: wraps made later, and notes in the place of those of retired ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from recorder.seal.signing import SigningKey
from recorder.seal.wrapping import (
    SUFFIX,
    ReaderKey,
    ReaderPublicKey,
    is_retirement,
    open_wraps,
    retirement,
    wrap,
    wrap_name,
)
from recorder.trace.header import TraceHeader


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who shall be able to open traces.

    Attributes:
        targets: Readers for whom each trace shall have a wrap.
        retired: Identifiers of readers whose wraps shall be taken away; a trace keeps them until a target has its own.
        signer: The console's key, which signs what it makes.
    """

    targets: Sequence[ReaderPublicKey]
    retired: Collection[str]
    signer: SigningKey


def rewrap(
    header: TraceHeader,
    wraps: Mapping[str, bytes],
    readers: Sequence[ReaderKey],
    wanted: Wanted,
    at: datetime,
) -> dict[str, bytes]:
    """What is to be written beside one trace, by file name; empty where everything is as wanted.

    A trace that has no wraps was erased, or was never sealed: there is nothing to write.

    Args:
        header: The trace's.
        wraps: What lies beside it.
        readers: Keys by which it may be opened; none is used where no wrap is missing.
        wanted: Who shall be able to open it.
        at: The aware UTC instant that the new files name.

    Raises:
        ReaderKeyLocked: Only keys that are locked open it.
        TraceSealed: None of the keys opens it.
        TraceFormatError: A wrap is none, or holds another key than the header committed to.
    """
    if not wraps:
        return {}
    kept = {name for name, data in wraps.items() if not is_retirement(data)}
    missing = [target for target in wanted.targets if wrap_name(target) not in kept]
    changes: dict[str, bytes] = {}
    if missing:
        key = open_wraps(wraps, header, readers)
        changes = {
            wrap_name(target): wrap(header, key, target, wanted.signer, made_at=at) for target in missing
        }
    targets = {wrap_name(target) for target in wanted.targets}
    if targets & (kept | changes.keys()):
        for reader in sorted(wanted.retired):
            name = f"{reader}{SUFFIX}"
            if name in kept and name not in targets:
                changes[name] = retirement(header, reader, wanted.signer, at)
    return changes
