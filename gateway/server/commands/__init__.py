"""What a person may type instead of a device's name: one module a noun, a parser that trusts nothing."""

from gateway.server.commands.caller import Caller
from gateway.server.commands.directory import Commands
from gateway.server.commands.keys import KeysCommand
from gateway.server.commands.openings import ListCommand, Openings, WhyCommand
from gateway.server.commands.reports import ReportCommand
from gateway.server.commands.requests import AskCommand, ExtendCommand, WithdrawCommand
from gateway.server.commands.result import ALLOWED, REFUSED, UNAVAILABLE, USAGE, CommandResult
from gateway.server.commands.ssh_config import SshConfigCommand
from gateway.server.commands.voice import Voice
from gateway.server.commands.windows import WindowsCommand

__all__ = [
    "ALLOWED",
    "REFUSED",
    "UNAVAILABLE",
    "USAGE",
    "AskCommand",
    "Caller",
    "CommandResult",
    "Commands",
    "ExtendCommand",
    "KeysCommand",
    "ListCommand",
    "Openings",
    "ReportCommand",
    "SshConfigCommand",
    "Voice",
    "WhyCommand",
    "WindowsCommand",
    "WithdrawCommand",
]
