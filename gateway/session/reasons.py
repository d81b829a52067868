"""Why a session ends."""

from enum import StrEnum

from gateway.errors import AccessUnavailable, DeviceError, FlowRefused
from policy.errors import Conflict


class EndReason(StrEnum):
    """The word that the trace, the lease and the journal keep; ``end.<word>`` is what the person reads.

    ``LEFT``: she closed her connection; ``LOST``: it broke under her. She reads nothing then, but the next
    session of the intervention tells her. ``STORE``: the trace store was unreachable for longer than the session may
    outlast it; ``CATALOGUE``: the database of traces was; ``SPOOL``: what waits for them fills the spool. ``FACTOR``:
    the key or certificate that she logged in with counts no more. ``FLOW``: the network filter does not open the way to
    the device, or closed it; ``UNREACHED``: no connection to the device came about. ``DEVICE``: it was closed there.
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
    CATALOGUE = "catalogue"
    SPOOL = "spool"
    FLOW = "flow"
    UNREACHED = "unreached"
    DEVICE = "device"
    DRAIN = "drain"
    FAILURE = "failure"


def never_opened(error: BaseException) -> EndReason:
    """Return why a session that did not open ends."""
    match error:
        case FlowRefused():
            return EndReason.FLOW
        case DeviceError():
            return EndReason.UNREACHED
        case AccessUnavailable(key="refusal.recorder"):
            return EndReason.RECORDER
        case AccessUnavailable():
            return EndReason.POLICY
        case Conflict():
            return EndReason.REFUSED
    return EndReason.LEFT
