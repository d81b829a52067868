"""Suites: how a record's content is sealed before it is stored."""

from __future__ import annotations

from typing import Protocol

from recorder.errors import TraceFormatError


class Suite(Protocol):
    """One way to seal records, named by a number in the trace's header."""

    @property
    def number(self) -> int:
        """The number that headers carry."""

    @property
    def overhead(self) -> int:
        """Bytes that sealing adds to a content, always the same."""

    def seal(self, head: bytes, content: bytes) -> bytes:
        """The body to store; ``head`` is the record's head, bound to it."""

    def open(self, head: bytes, body: bytes) -> bytes:
        """The content of a stored body.

        Raises:
            TraceFormatError: It was not sealed under this head and key.
        """


class Clear:
    """Suite 0: the content as it is."""

    number = 0
    overhead = 0

    def seal(self, head: bytes, content: bytes) -> bytes:
        """The content itself."""
        del head
        return content

    def open(self, head: bytes, body: bytes) -> bytes:
        """The body itself."""
        del head
        return body


_SUITES: dict[int, Suite] = {0: Clear()}


def suite(number: int) -> Suite:
    """The suite of this number.

    Raises:
        TraceFormatError: No such suite: nothing may be written or read under it.
    """
    found = _SUITES.get(number)
    if found is None:
        raise TraceFormatError(f"suite {number} is unknown; this version knows {sorted(_SUITES)}")
    return found
