"""Who is connected and asks nothing: she keeps no place that somebody else needs.

uvicorn answers 503 to everybody once so many connections are open, and lets one that never asks stay for ever. A few
dozen silent ones would close the door, or make a balancer take a gateway for dead.
"""

from asyncio import Transport

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol


class CrowdedProtocol(H11Protocol):
    """HTTP where, once all places are taken, who has been connected for longest and asks nothing leaves to who comes."""

    since = 0.0
    """When she came, by the loop's clock."""

    @property
    def silent(self) -> bool:
        """Whether nothing of hers waits for an answer: she never asked, not wholly, or has had it."""
        return bool(getattr(self.cycle, "response_complete", True))

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn does
        self.since = self.loop.time()
        # whoever comes is counted too, and uvicorn refuses already when the last place is taken
        if self.limit_concurrency is not None and len(self.connections) + 1 >= self.limit_concurrency:
            silent = [one for one in self.connections if isinstance(one, CrowdedProtocol) and one.silent]
            if silent:
                longest = min(silent, key=lambda one: one.since)
                self.connections.discard(longest)
                longest.transport.abort()
        super().connection_made(transport)
