"""Why a session ends."""

from enum import StrEnum


class EndReason(StrEnum):
    """The word that the trace, the lease and the journal keep; ``end.<word>`` is what the person reads.

    ``LEFT``: she closed her connection; ``LOST``: it broke under her. She reads nothing then, but the next
    session of the intervention tells her. ``STORE``: the trace store was unreachable for longer than the session may
    outlast it; ``SPOOL``: what waits for it fills the spool. ``FACTOR``: the key or certificate that she logged in with counts no more.
    """

    LEFT = "left"
    LOST = "lost"
    IDLE = "idle"
    WINDOW = "window"
    CUT = "cut"
    REFUSED = "refused"
    FACTOR = "factor"
    POLICY = "policy"
    RECORDER = "recorder"
    STORE = "store"
    SPOOL = "spool"
    DEVICE = "device"
    DRAIN = "drain"
    FAILURE = "failure"
