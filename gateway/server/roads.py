"""The connections to devices inside one person's connection: how many there may be, and where they may lead."""

from collections.abc import Collection

from gateway.server.destination import PORT, SSH_PORT, TOO_MANY, refusal_of_name
from gateway.server.selector import Selector
from gateway.session.transfer.command import Refused
from gateway.sshfix import InnerConnection


class Roads:
    """Counts them, and judges each new destination."""

    def __init__(self, limit: int) -> None:
        """Let at most *limit* be there at once."""
        self._limit = limit
        self._asking = 0
        self._live: set[InnerConnection] = set()

    @property
    def live(self) -> bool:
        """Whether there is any."""
        return bool(self._live)

    async def refusal(
        self, selector: Selector, host: str, port: int, own_names: Collection[str]
    ) -> Refused | None:
        """Return why *selector*'s person may not jump to *host* and *port*, None where she may be led there.

        *own_names* are the gateway's. Whether the device is hers is policy's answer, when a channel is opened.
        """
        # what waits for policy's answer counts, so that a flood of openings is no flood of questions
        if len(self._live) + self._asking >= self._limit:
            return TOO_MANY
        self._asking += 1
        try:
            reached = port == SSH_PORT or port in await selector.ports(host)
        finally:
            self._asking -= 1
        return refusal_of_name(host, selector.device, own_names) if reached else PORT

    def begun(self, inner: InnerConnection) -> None:
        """Count *inner*."""
        self._live.add(inner)

    def over(self, inner: InnerConnection) -> None:
        """Count *inner* no more."""
        self._live.discard(inner)
