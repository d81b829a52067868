"""Where the commands are put together, over the services of policy and the journal."""

from collections.abc import Callable

from gateway.server.commands.directory import Commands
from gateway.server.commands.keys import KeysCommand, Uses
from gateway.server.commands.openings import ListCommand, WhyCommand
from gateway.server.commands.reports import ReportCommand
from gateway.server.commands.requests import AskCommand, ExtendCommand, WithdrawCommand
from gateway.server.commands.ssh_config import SshConfigCommand
from gateway.server.commands.voice import Voice
from gateway.server.commands.windows import WindowsCommand
from policy.clock import Clock
from policy.domain.ways import Place
from policy.services import Services


def make_commands(
    services: Services, uses: Uses, voice: Voice, clock: Clock, place: Callable[[], Place]
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
