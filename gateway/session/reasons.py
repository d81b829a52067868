"""Why a session ends."""

from enum import StrEnum


class EndReason(StrEnum):
    """The word that the trace, the lease and the journal keep; ``end.<word>`` is what the person reads.

    ``LEFT``: she closed her connection, and reads nothing.
    """

    LEFT = "left"
    IDLE = "idle"
    WINDOW = "window"
    CUT = "cut"
    REFUSED = "refused"
    POLICY = "policy"
    RECORDER = "recorder"
    DEVICE = "device"
    DRAIN = "drain"
    FAILURE = "failure"
