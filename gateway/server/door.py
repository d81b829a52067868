"""The list of a gateway's connections, and the bounds on those that have not logged in."""

from collections import Counter
from collections.abc import Sequence

import structlog

from gateway.server.front import Front
from gateway.server.jump import Jumps
from gateway.server.standing import KeyWatch, spent
from gateway.settings import GatewaySettings
from gateway.sshfix import InnerConnection
from policy.domain.events import PolicyEvent

_log = structlog.get_logger()


class Door:
    """Counts connections; those that have not logged in are few, in all and from one source."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Hold the bounds of *settings*."""
        self._settings = settings
        self._outside: set[Front] = set()
        self._sources: Counter[str] = Counter()
        self.fronts: set[Front] = set()
        self.draining = False
        self.jumps: Jumps | None = None
        self.keys: KeyWatch | None = None
        self._turned_away = 0
        self._last_source = ""

    @property
    def names(self) -> Sequence[str]:
        """The gateway's own names."""
        return self.jumps.names if self.jumps is not None else ()

    def inner(self, outer: Front, device: str) -> InnerConnection:
        """Make the connection to *device* inside that of *outer*, who has logged in."""
        if self.jumps is None:
            raise RuntimeError("the gateway is not started")
        return self.jumps.connection(self, outer, device)

    def entered(self, front: Front) -> None:
        """Count a connection inside another one."""
        self.fronts.add(front)

    def has_room(self, source: str) -> bool:
        """Tell whether one more from *source* may stand at the door; who may not is counted."""
        settings = self._settings
        if (
            not self.draining
            and len(self._outside) < settings.max_unauthenticated
            and self._sources[source] < settings.max_unauthenticated_per_source
        ):
            return True
        self._turned_away += 1
        self._last_source = source
        return False

    def arrived(self, front: Front) -> bool:
        """Count a new connection; False where there is no room for it."""
        source = front.source
        if not self.has_room(source):
            return False
        self.fronts.add(front)
        self._outside.add(front)
        self._sources[source] += 1
        return True

    def tell(self) -> None:
        """Log how many were turned away since the last time: a line for each costs more than the refusal."""
        if self._turned_away:
            waiting = len(self._outside)
            _log.warning(
                "connections.turned_away", count=self._turned_away, last=self._last_source, waiting=waiting
            )
            self._turned_away = 0

    def logged_in(self, front: Front) -> None:
        """It has logged in."""
        if front in self._outside:
            self._outside.discard(front)
            self._sources[front.source] -= 1
            if not self._sources[front.source]:
                del self._sources[front.source]

    def left(self, front: Front) -> None:
        """It is gone."""
        self.logged_in(front)
        self.fronts.discard(front)

    def logged_in_fronts(self) -> list[Front]:
        """The connections whose person has logged in, those inside others included."""
        return [front for front in self.fronts if front.person is not None]

    def changed(self, event: PolicyEvent) -> None:
        """Turn out whoever logged in before *event*, and would have to log in again since."""
        for front in list(self.fronts):
            if front.person is not None and spent(event, front.person):
                front.turn_out()
        if self.keys is not None:
            self.keys.changed(event)
