"""Where the commands are put together, over the services of policy and the journal."""

from collections.abc import Callable
from typing import Protocol

from gateway.server.commands.directory import Commands
from gateway.server.commands.keys import Factors, KeysCommand, Uses
from gateway.server.commands.openings import ListCommand, Openings, WhyCommand
from gateway.server.commands.reports import ReportCommand, Reports
from gateway.server.commands.requests import AskCommand, ExtendCommand, Requests, WithdrawCommand
from gateway.server.commands.ssh_config import SshConfigCommand, Ways
from gateway.server.commands.voice import Voice
from gateway.server.commands.windows import Windows, WindowsCommand
from policy.clock import Clock
from policy.domain.ways import Place


class Openable(Openings, Ways, Protocol):
    """What is open, and where she may go."""


class RequestService(Requests, Windows, Protocol):
    """What she asks for, and what became of it."""


class CommandServices(Protocol):
    """What the commands use of policy's services."""

    @property
    def access(self) -> Openable:
        """What is open, why, and where she may go."""
        ...

    @property
    def requests(self) -> RequestService:
        """Her requests."""
        ...

    @property
    def reports(self) -> Reports:
        """Her reports."""
        ...

    @property
    def own_factors(self) -> Factors:
        """What she logs in with."""
        ...


def make_commands(
    services: CommandServices, uses: Uses, voice: Voice, clock: Clock, place: Callable[[], Place]
) -> Commands:
    """Return every command, in the order in which ``help`` tells them; *place* tells where the gateway listens."""
    return Commands(
        [
            ListCommand(services.access, voice),
            WhyCommand(services.access, voice),
            WindowsCommand(services.requests, voice, clock),
            AskCommand(services.requests, voice, clock),
            WithdrawCommand(services.requests, voice),
            ExtendCommand(services.requests, voice),
            ReportCommand(services.reports, voice),
            KeysCommand(services.own_factors, uses, voice),
            SshConfigCommand(services.access, place, voice),
        ],
        voice,
    )
