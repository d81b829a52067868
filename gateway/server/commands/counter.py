"""Where the commands are put together, over the services of policy and the journal."""

from typing import Protocol

from gateway.server.commands.directory import Commands
from gateway.server.commands.keys import Factors, KeysCommand, Uses
from gateway.server.commands.openings import ListCommand, Openings, WhyCommand
from gateway.server.commands.requests import AskCommand, ExtendCommand, Requests
from gateway.server.commands.voice import Voice
from gateway.server.commands.windows import Windows, WindowsCommand
from policy.clock import Clock


class RequestService(Requests, Windows, Protocol):
    """What she asks for, and what became of it."""


class CommandServices(Protocol):
    """What the commands use of policy's services."""

    @property
    def access(self) -> Openings:
        """What is open, and why."""
        ...

    @property
    def requests(self) -> RequestService:
        """Her requests."""
        ...

    @property
    def own_factors(self) -> Factors:
        """What she logs in with."""
        ...


def make_commands(services: CommandServices, uses: Uses, voice: Voice, clock: Clock) -> Commands:
    """Return every command, in the order in which ``help`` tells them."""
    return Commands(
        [
            ListCommand(services.access, voice),
            WhyCommand(services.access, voice),
            WindowsCommand(services.requests, voice, clock),
            AskCommand(services.requests, voice, clock),
            ExtendCommand(services.requests, voice),
            KeysCommand(services.own_factors, uses, voice),
        ],
        voice,
    )
