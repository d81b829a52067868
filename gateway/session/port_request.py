"""What a person asks of a forwarded port (``ssh -L``), and what of it a grant allows.

The only machine that a session may reach is its device, and by no other name than those below: a destination is
hostile text, never resolved here, and an address written in another way is another address.
"""

from dataclasses import dataclass

from gateway.session.transfer.command import Refused
from policy.domain.access import Grant, Obligations
from policy.domain.windows import Forward
from recorder.trace.frames import FORWARDED

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The device as it calls itself; its own SSH server takes them for what they are."""
MAX_TEXT = 255

ELSEWHERE = Refused(key="refused.port-elsewhere", code="E6")
NOT_NAMED = Refused(key="refused.port-not-named", code="O3")
SSH = Refused(key="refused.port-ssh", code="E6")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRequest:
    """A destination as the client wrote it, and where its own user's connection comes from, which nobody checks."""

    host: str
    port: int
    origin_host: str
    origin_port: int

    @classmethod
    def cut(cls, host: str, port: int, origin_host: str, origin_port: int) -> "PortRequest":
        """Take the request as it came, its texts cut to what a name may have: no longer one is anybody's."""
        return cls(
            host=host[:MAX_TEXT], port=port, origin_host=origin_host[:MAX_TEXT], origin_port=origin_port
        )

    def facts(self) -> dict[str, object]:
        """Return the request as journal and REFUSED frames keep it."""
        return {"request": FORWARDED, "host": self.host, "port": self.port}

    def opening(self, forward: Forward) -> dict[str, object]:
        """Return what the OPEN frame of a channel to *forward* says."""
        return {
            "kind": FORWARDED,
            "host": self.host,
            "port": self.port,
            "label": forward.label or str(self.port),
            "origin": {"host": self.origin_host, "port": self.origin_port},
        }


def allowed_port(request: PortRequest, grant: Grant, obligations: Obligations) -> Forward | Refused:
    """Decide on *request* under the live *obligations* of *grant*."""
    if request.host not in LOOPBACK and request.host != grant.device_name:
        return ELSEWHERE
    if request.port == grant.port:
        return SSH
    return obligations.forward_to(request.port) or NOT_NAMED


def own_name(host: str) -> str:
    """Return what the device is asked to connect to for *host*: itself."""
    return host if host in LOOPBACK else "localhost"
