"""One operation on a device's files, as the trace keeps it."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way file contents go, seen from the technician."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


OUT = frozenset({Direction.DOWN, Direction.BOTH})
"""The directions in which content leaves the device."""


class Phase(StrEnum):
    """How far an operation got when it was noted.

    ``ASKED`` is noted before a request that changes the device is passed on, so that a gateway that dies
    before the answer has said what it let through.
    """

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOperation:
    """One operation, with names as the wire had them (bytes that are no UTF-8 appear as escapes, ``xNN``).

    ``size`` counts the content bytes that passed (None where the operation moves none); ``sha256`` is
    theirs, in lower-case hexadecimal, None where they did not pass once each in order. ``result`` is
    ``ok``, a status of the device (``no-such-file``…), ``refused`` or ``unfinished``, None while ``phase``
    is ``ASKED``. ``flags`` qualify the digest: ``non-sequential``, ``in-place`` (older content may follow),
    ``append``, ``unparsed``. Names come from strangers: escape them wherever they are shown.
    """

    op: str
    phase: Phase
    path: str
    target: str | None = None
    size: int | None = None
    sha256: str | None = None
    direction: Direction | None = None
    result: str | None = None
    flags: tuple[str, ...] = ()

    def payload(self) -> bytes:
        """Return the operation as JSON (sorted keys, UTF-8) without its empty fields, for a FILE frame."""
        fields = {name: value for name, value in asdict(self).items() if value not in {None, ()}}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def shown_name(raw: bytes) -> str:
    """Return a file name from the wire as text that UTF-8 can hold."""
    return raw.decode("utf-8", "backslashreplace")
