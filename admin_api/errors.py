"""Errors of the HTTP edge. Each becomes one problem document (RFC 9457); none carries a stack trace.

ApiError
├── Unauthenticated     no bearer token, or one that is not in force
├── InvitationRefused   the invitation, or the first code, is not right
├── RoleMissing         the token's person lacks every role this route asks for
├── BodyTooLarge        the request body exceeds the limit
├── BadCursor           ``after`` is not a cursor that this list gave
├── BadTimestamp        a time in the query is not an ISO 8601 instant
├── TracePurged         the trace was purged: its signed stub is all that is left
└── TraceUnreadable     the trace cannot be replayed as it lies
"""

from datetime import datetime


class ApiError(Exception):
    """Base of this package's errors; never raised itself."""


class Unauthenticated(ApiError):
    """There is no bearer token, or it is not in force. Says nothing of which."""


class InvitationRefused(ApiError):
    """The invitation is not in force, or the first code is wrong. Says nothing of which."""


class RoleMissing(ApiError):
    """The person holds none of the roles that this route asks for."""

    def __init__(self, wanted: frozenset[str]) -> None:
        """Name the roles *wanted*: any one of them would do."""
        super().__init__(f"one of these roles is needed: {', '.join(sorted(wanted))}")
        self.wanted = wanted


class BodyTooLarge(ApiError):
    """The request body exceeds the limit, in bytes."""

    def __init__(self, limit: int) -> None:
        """Say the *limit*, in bytes."""
        super().__init__(f"the body may have {limit} bytes")
        self.limit = limit


class BadCursor(ApiError):
    """``after`` is not a cursor that this list gave."""


class BadTimestamp(ApiError):
    """A time in the query cannot be read. ``bare``: it could have been one of the hospital's clock, without an offset."""

    def __init__(self, field: str, *, bare: bool = False) -> None:
        """Name the *field* of the query, and whether a *bare* time would have done."""
        super().__init__(f"{field}: write an instant{'' if bare else ' with its offset'}")
        self.field = field
        self.bare = bare


class TraceUnreadable(ApiError):
    """The trace cannot be replayed as it lies; ``why`` is the reader's own sentence."""

    def __init__(self, why: str) -> None:
        """Keep the reader's sentence *why*."""
        super().__init__(why)
        self.why = why


class TracePurged(ApiError):
    """The trace was purged at ``at``, aware UTC: by its retention, or by two persons.

    ``timezone`` is the hospital's (IANA name), by whose clock its staff is told so.
    """

    def __init__(self, at: datetime, timezone: str) -> None:
        """Keep the instant *at*, and whose clock tells it."""
        super().__init__(f"purged at {at.isoformat()}")
        self.at = at
        self.timezone = timezone
