"""Everything that the recorder raises.

RecorderError
├── TraceFormatError      bytes that are not a trace of this format
│   └── ChainBroken       a record that is not the one that was written there
├── TraceSealed           a sealed trace, and no key at hand that opens it
│   └── ReaderKeyLocked   a key at hand opens it, once somebody has unlocked it
├── ReaderKeyUnusable     a reader's key that cannot be made or used
├── ReaderKeyRefused      a passphrase or PIN that does not unlock a reader's key
│   └── ReaderKeyLockedOut  too many of them: none is tried for a while
├── SignatureInvalid      a manifest that this key did not sign, or a key that cannot be used
├── StampInvalid          a time stamp that is none, or an authority's CA that cannot be used
├── SpoolUnavailable      the spool cannot be written: no new session
│   └── SpoolFull         the spool has less room than the settings keep free
├── RecordingFailed       this recording takes no more frames: its session must end
├── TraceNotFound         no such trace, or an identifier that can name none
├── TraceLocked           the store keeps it: its retention is not over, or it is held
├── StoreUnavailable      the trace store does not do what it is asked
│   ├── StoreUnreachable  it does not answer, or says that it cannot now
│   ├── StoreForbidden    it does not know these credentials, or does not allow them this
│   ├── StoreFull         it has no room left
│   └── StoreUnfit        it answers, and is no store for traces: no such bucket, no object lock, no valid certificate
├── CatalogUnavailable    the trace database cannot be used, or has another version's schema
│   └── CatalogRefuses    it answers, and refuses: for want of a right, by its schema, or by a fault of this program
├── QueryRefused          words that ask for nothing, or ask for too much
├── IndexUnavailable      the search's index cannot be used: it can be made anew
└── JournalBroken         the security journal could not take an event
    └── JournalHasIt      it has taken this very event before
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class RecorderError(Exception):
    """Base of every error of this package."""


def first_line(error: Exception) -> str:
    """Return the first line of what *error* says, or its class where it says nothing: SQLAlchemy adds the statement below."""
    said, *_further = str(error).splitlines() or [type(error).__name__]
    return said


class TraceFormatError(RecorderError):
    """The bytes are not a trace, a record or a frame of a known format."""


class ChainBroken(TraceFormatError):
    """A record's stored bytes do not continue the chain.

    Args:
        record: Number of the first bad record, from 1; 0 stands for the header.
        what: What is wrong with it: ``header``, ``length``, ``order``, ``digest`` or ``truncated``.
        message: One sentence for people.
    """

    def __init__(self, record: int, what: str, message: str) -> None:
        super().__init__(message)
        self.record = record
        self.what = what


class TraceSealed(RecorderError):
    """The trace is sealed for readers whose keys are not at hand, or its wraps were destroyed."""


class ReaderKeyLocked(TraceSealed):
    """The trace opens by keys that are there and locked.

    Args:
        names: What people call these keys; each alone would do.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"the reader key {' or '.join(names)} opens this trace, and is locked")
        self.names = tuple(names)


class ReaderKeyUnusable(RecorderError):
    """A reader's key is missing, open to others, of another kind, or cannot be made."""


class ReaderKeyRefused(RecorderError):
    """The passphrase or PIN is not the one, or its token says that it takes none any more."""


class ReaderKeyLockedOut(ReaderKeyRefused):
    """Too many wrong ones: none is tried before ``until``, an aware UTC instant."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many wrong passphrases; none is tried for a while")
        self.until = until


class SignatureInvalid(RecorderError):
    """The signature does not hold, or the key cannot be trusted to make one."""


class StampInvalid(RecorderError):
    """What an authority answered is no time stamp over what was asked, or its CA cannot be used."""


class SpoolUnavailable(RecorderError):
    """The spool cannot be written now; no session may open."""


class SpoolFull(SpoolUnavailable):
    """The spool's file system has less free room than ``min_free_bytes``."""


class RecordingFailed(RecorderError):
    """The recording is closed or has failed; nothing more may pass."""


class TraceNotFound(RecorderError):
    """The store holds no such trace."""


class TraceLocked(RecorderError):
    """The store keeps an object: its retention is not over, or a legal hold is set on it."""


class StoreUnavailable(RecorderError):
    """The trace store does not do what it is asked; what was to go there stays in the spool."""


class StoreUnreachable(StoreUnavailable):
    """The store does not answer in time, breaks off, or says that it cannot serve now: try again later."""


class StoreForbidden(StoreUnavailable):
    """The store does not know the credentials, or does not allow them this: somebody must mend it there."""


class StoreFull(StoreUnavailable):
    """The store has no room left, or its quota is reached."""


class StoreUnfit(StoreUnavailable):
    """What answers is no store for traces: no such bucket, no object lock, a certificate that nobody vouches for."""


class CatalogUnavailable(RecorderError):
    """The trace database cannot be reached, refuses, or has the schema of another version."""


class CatalogRefuses(CatalogUnavailable):
    """The trace database answers, and refuses what it is asked: nothing is wrong with its server or the network."""


class JournalBroken(RecorderError):
    """The journal refused an event, so what it tells of must not happen."""


class QueryRefused(RecorderError):
    """What was typed to search for asks for nothing that can be found.

    Args:
        reason: A key such as ``unclosed``, for a sentence.
        word: The word at fault, as typed.
    """

    def __init__(self, reason: str, word: str = "") -> None:
        super().__init__(f"search: {reason} {word!r}")
        self.reason = reason
        self.word = word


class IndexUnavailable(RecorderError):
    """The search's index cannot be read or written; nothing is lost, for it can be made anew."""


class JournalHasIt(JournalBroken):
    """The journal holds this very event already: an answer was lost, not the event."""
