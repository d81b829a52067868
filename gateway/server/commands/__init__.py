"""What a person may type instead of a device's name: one module a command."""

from gateway.server.commands.caller import Caller
from gateway.server.commands.directory import Commands
from gateway.server.commands.openings import Openings
from gateway.server.commands.result import ALLOWED, REFUSED, UNAVAILABLE, USAGE, CommandResult

__all__ = ["ALLOWED", "REFUSED", "UNAVAILABLE", "USAGE", "Caller", "CommandResult", "Commands", "Openings"]
