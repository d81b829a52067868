"""What policy asks of the world outside its database, as a protocol: it speaks no HTTP itself."""

from typing import Protocol


class Responder(Protocol):
    """Asks OCSP responders (RFC 6960), over HTTP."""

    async def ask(self, url: str, request: bytes) -> bytes | None:
        """Return the answer of the responder at *url*; None where there is none in a few seconds."""
        ...
