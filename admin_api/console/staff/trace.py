"""A closed trace as the console opens it: the one place that knows where traces lie and which keys read them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from admin_api.console.staff.caller import StaffCaller
from admin_api.deps import Context
from admin_api.narration import Narrator
from policy.errors import Conflict, NotFound
from recorder.errors import TraceNotFound
from recorder.replay.reader import TraceReader
from recorder.seal.encryption import CLEAR
from recorder.seal.wrapping import LockedKey, ReaderKey, open_wraps
from recorder.store.catalog import CatalogedSession
from recorder.trace.header import TraceHeader


async def cataloged(caller: StaffCaller, session_id: str) -> CatalogedSession:
    """Return what the catalogue knows of a session; raises as ``recorded``, and Conflict while it is not over."""
    found = await recorded(caller, session_id)
    if found.closing is None:
        raise Conflict("the session is not over: its trace is still with the gateway")
    return found


async def recorded(caller: StaffCaller, session_id: str) -> CatalogedSession:
    """Return what the catalogue knows of a session, over or not; raises NotFound, and Conflict where it was purged."""
    try:
        found = await caller.context.catalog.session(caller.hospital_id, session_id)
    except TraceNotFound as missing:
        raise NotFound("trace", session_id) from missing
    if await caller.context.keeper.shelf.purged_at([found.header.session_id]):
        raise Conflict("this recording was purged: its signed stub is all that is left")
    return found


@contextmanager
def opened(
    context: Context, session: CatalogedSession, keys: Sequence[ReaderKey] | None = None
) -> Iterator[TraceReader]:
    """Open the trace of *session* at its start by *keys*, None: by those of now. Blocks. Raises NotFound, and as TraceReader."""
    header = session.header
    try:
        place = context.traces.find(header.hospital_id, header.session_id, header.started_at)
    except TraceNotFound as missing:
        raise NotFound("trace", header.session_id) from missing
    readers = context.reader_keys if keys is None else keys
    with context.traces.opened(place) as folder, TraceReader(folder, readers) as reader:
        reader.unseal()
        yield reader


def trace_key(context: Context, header: TraceHeader, keys: Sequence[ReaderKey] | None = None) -> bytes | None:
    """Return the data key of a closed trace, None where it is not sealed; nothing else of it is fetched. Blocks.

    *keys* open it, None: those of now. Raises NotFound, and what the keys raise where none opens it.
    """
    if header.suite == CLEAR:
        return None
    try:
        place = context.traces.find(header.hospital_id, header.session_id, header.started_at)
    except TraceNotFound as missing:
        raise NotFound("trace", header.session_id) from missing
    readers = context.reader_keys if keys is None else keys
    return open_wraps(context.traces.wraps(place), header, readers)


def open_ones(keys: Sequence[ReaderKey]) -> frozenset[str]:
    """Return which of these readers' keys open traces."""
    return frozenset(key.public.key_id for key in keys if not isinstance(key, LockedKey))


def narrator(caller: StaffCaller) -> Narrator:
    """Return who tells a trace in the caller's language and the hospital's zone."""
    return Narrator(caller.language, caller.here.timezone, caller.context.vocabulary)
