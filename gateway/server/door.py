"""The door: a list of connections, and how many of those that have not logged in may stand at it."""

from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from gateway.server.front import Front
from gateway.server.jump import Jumps
from gateway.server.standing import KeyWatch, spent
from gateway.settings import GatewaySettings
from gateway.sshfix import InnerConnection
from policy.domain.events import PolicyEvent
from policy.domain.posts import post_of

REMEMBERED = 1000
"""Sources that somebody logged in from last: they come before unknown ones."""

KEYS_SECONDS = 2.0
"""After this time, whoever has not exchanged keys gives way. Clients do it at once, but for one who asks a person
whether she believes a key: under siege she connects again."""

_log = structlog.get_logger()


class Door:
    """Counts connections; those that have not logged in are few, in all and from one source.

    When all places are taken, who has stood longest of the source with most places leaves for one whose source has
    fewer: whoever has fewer addresses than there are places keeps nobody out. One place of a source that somebody
    logged in from lately does not count, so that nobody at all keeps those out who are known. Else who has not even
    exchanged keys leaves.
    """

    def __init__(self, settings: GatewaySettings, monotonic: Callable[[], float]) -> None:
        """Bound them by *settings*; *monotonic* gives the seconds that they stand there."""
        self._settings = settings
        self._monotonic = monotonic
        self._outside: dict[Front, str] = {}  # the longest first
        self._sources: Counter[str] = Counter()
        self._known: dict[str, None] = {}
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
        """Make the connection to *device* inside that of *outer*; raises RuntimeError before the start."""
        if self.jumps is None:
            raise RuntimeError("the gateway is not started")
        return self.jumps.connection(self, outer, device)

    def entered(self, front: Front) -> None:
        """Count a connection that came inside another one."""
        self.fronts.add(front)

    def has_room(self, source: str) -> bool:
        """Tell whether one more from *source* may stand at the door; who may not is counted."""
        settings, origin = self._settings, post_of(source)
        if (
            not self.draining
            and self._sources[origin] < settings.max_unauthenticated_per_source
            and (len(self._outside) < settings.max_unauthenticated or self._who_gives_way(origin) is not None)
        ):
            return True
        self._turned(source)
        return False

    def arrived(self, front: Front) -> bool:
        """Give *front* a place, that of another one where all are taken; tell whether there was one."""
        source = front.source
        if not self.has_room(source):
            return False
        origin = post_of(source)
        if len(self._outside) >= self._settings.max_unauthenticated:
            other = self._who_gives_way(origin)
            if other is not None:
                self._turned(other.source)
                self.left(other)
                other.make_room()
        self.fronts.add(front)
        self._outside[front] = origin
        self._sources[origin] += 1
        return True

    def _who_gives_way(self, origin: str) -> Front | None:
        most = max(self._sources, key=self._rank, default=origin)
        if self._rank(most) > self._rank(origin) + 1:
            crowd = (each for each, other in self._outside.items() if other == most and not each.halfway)
            return next(crowd, None)
        late = self._monotonic() - KEYS_SECONDS
        return next((each for each in self._outside if not each.begun and each.quiet_since <= late), None)

    def _rank(self, origin: str) -> int:
        return self._sources[origin] - (origin in self._known)

    def _turned(self, source: str) -> None:
        self._turned_away += 1
        self._last_source = source

    def tell(self) -> None:
        """Log how many were turned away since the last time: a line for each costs more than the refusal."""
        if self._turned_away:
            waiting = len(self._outside)
            _log.warning(
                "connections.turned_away", count=self._turned_away, last=self._last_source, waiting=waiting
            )
            self._turned_away = 0

    def logged_in(self, front: Front) -> None:
        """It has logged in: its place at the door is free, and its source is known."""
        origin = self._outside.get(front)
        if origin is not None:
            self._leave_place(front)
            self._known.pop(origin, None)
            self._known[origin] = None  # the last of them
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]

    def left(self, front: Front) -> None:
        """It is gone."""
        self._leave_place(front)
        self.fronts.discard(front)

    def _leave_place(self, front: Front) -> None:
        origin = self._outside.pop(front, None)
        if origin is not None:
            self._sources[origin] -= 1
            if not self._sources[origin]:
                del self._sources[origin]

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
