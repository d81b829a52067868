"""``ssh-config``: a configuration of her own for OpenSSH, ready to be included."""

from collections.abc import Callable
from typing import Final

from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.result import ALLOWED, CommandResult, as_json
from gateway.server.commands.voice import Voice
from gateway.server.ssh_config import ssh_config
from policy.domain.ways import Place
from policy.services.access import AccessService

SSH_CONFIG: Final = Shape(name="ssh-config")


class SshConfigCommand:
    """``ssh-config``."""

    shape = SSH_CONFIG

    def __init__(self, access: AccessService, place: Callable[[], Place], voice: Voice) -> None:
        """Answer from *access*; *place* tells where the gateway listens, once it does."""
        self._access = access
        self._place = place
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Return the text of the configuration; as JSON, what it is made of. Raises PolicyUnavailable."""
        person, place = caller.person, self._place()
        ways = await self._access.ways(self._voice.hospital.id, person.id)
        if typed.as_json:
            return as_json(
                {
                    "name": place.name,
                    "port": place.port,
                    "known_hosts": place.known_hosts(ways),
                    "devices": {way.device_name: list(way.account_names) for way in ways},
                }
            )
        return CommandResult(
            ALLOWED, ssh_config(person.login, place, ways, person.language, self._voice.catalog)
        )
