"""What asyncssh asks about a device while it logs in: whether to trust its key, and what to answer its prompts."""

import re
from collections.abc import Callable, Sequence
from typing import Final

import asyncssh
from typing_extensions import override

from gateway.sshfix import DeviceConnection

OnLost = Callable[[Exception | None], None]

_ASKS_FOR_A_NAME: Final = re.compile(
    r"\b(user|user ?name|login|account|utilisateur|identifiant|compte)\b", re.IGNORECASE
)


class DeviceOwner(asyncssh.SSHClient):
    """asyncssh's owner of one connection to a device; trusts no host key of its own accord.

    ``shown`` is the key that the device showed and nobody pinned; ``reached`` tells that the device took the
    connection, whatever it did next.
    """

    def __init__(self, on_lost: OnLost, account: str, password: str | None) -> None:
        """Log in as *account*; *password* is None where a key does. *on_lost* is told the connection's end."""
        self._on_lost = on_lost
        self._account = account
        self._password = password
        self._asked = False
        self._given = False
        self.shown: asyncssh.SSHKey | None = None
        self.reached = False
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def offered(self) -> tuple[str, ...]:
        """The kinds of host keys that the device has, as far as it said."""
        found = self._connection
        return found.host_keys_offered if isinstance(found, DeviceConnection) else ()

    @override
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.reached = True
        self._connection = conn

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(exc)

    @override
    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = key
        return False

    @override
    def kbdint_auth_requested(self) -> str | None:
        """Take part in one dialogue and no second one: the device refused what we know."""
        if self._password is None or self._asked:
            return None
        self._asked = True
        return ""

    @override
    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Answer the name where a device asks for it again, and the password once, where it is not shown.

        Anything else (a second secret, a prompt that echoes) has no answer here: the log-in is given up rather
        than the password written where somebody may read it.
        """
        answers: list[str] = []
        for text, echo in prompts:
            if echo and _ASKS_FOR_A_NAME.search(text):
                answers.append(self._account)
            elif not echo and not self._given and self._password is not None:
                self._given = True
                answers.append(self._password)
            else:
                return None
        return answers
