"""Whether what a person proved at log-in still counts: a cut, a renewal or a suspension makes her log in again.

Policy ends the sessions. A connection with none of them (the menu, a shared one that waits for a jump) would outlive
it, and its next session would rest on a telephone that serves no longer.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from policy.domain.access import RevocationScope
from policy.domain.events import PolicyEvent
from policy.domain.people import Person
from policy.domain.proofs import ProvedLogin
from policy.errors import PolicyError
from policy.services.access import AccessService

LOOK_SECONDS: Final = 5.0
"""How often connections are looked at whose certificate may have come to its end."""
_TOUCHING: Final = ("anchor.", "login_authority.", "person.")
"""What an event may be about that takes a key from somebody."""

_log = structlog.get_logger()

_ALL = f"{RevocationScope.ALL.value}.cut"
_HERS = frozenset({f"{RevocationScope.PERSON.value}.cut", "person.resumed"})
_SUPPLIERS = frozenset({f"{RevocationScope.SUPPLIER.value}.cut", "supplier.resumed"})


def spent(event: PolicyEvent, person: Person) -> bool:
    """Tell whether *event* makes a log-in of *person* before it count no more.

    A renewal and a lost factor come with a cut of the person. While she is suspended, policy refuses her and says
    why; it is the end of the suspension that must find nobody waiting.
    """
    if event.hospital_id != person.hospital_id:
        return False
    if event.name in _HERS:
        return event.subject == person.id
    if event.name in _SUPPLIERS:
        return event.subject == person.supplier_id
    return event.name == _ALL


class Waiting(Protocol):
    """A connection that has logged in."""

    @property
    def proved(self) -> ProvedLogin | None:
        """Its log-in, where it began with a key."""
        ...

    def turn_out(self, key: str) -> None:
        """Close it; the message *key* says why."""
        ...


class KeyWatch:
    """Turns out whoever logged in with a key that counts no more: menus, shared connections, roads to devices.

    Their sessions are policy's to end, by the supervisor's question.
    """

    def __init__(self, waiting: Callable[[], Iterable[Waiting]], losses: AccessService) -> None:
        """Look at the connections that *waiting* names, by what *losses* says."""
        self._waiting = waiting
        self._losses = losses
        self._woken = asyncio.Event()
        self._stopping = False

    def changed(self, event: PolicyEvent) -> None:
        """Look at once if *event* may have taken a key from somebody."""
        if event.name.startswith(_TOUCHING):
            self._woken.set()

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Look until ``stop``."""
        while not self._stopping:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self.look()
            except PolicyError as error:
                _log.warning("keys.unasked", error=str(error))
            except Exception as error:  # who looks after connections must not stop for one of them
                _log.error("keys.look_failed", error=repr(error))

    async def look(self) -> None:
        """Turn out everybody whose key counts no more."""
        logins = {one: one.proved for one in self._waiting()}
        lost = await self._losses.lost({login for login in logins.values() if login is not None})
        for one, login in logins.items():
            if login in lost:
                one.turn_out("end.factor")
