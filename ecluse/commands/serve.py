"""``ecluse serve``: the gateway and the console together, each in its own process."""

import asyncio

import typer

from ecluse import logs, settings
from ecluse.commands.config import ConfigOption
from ecluse.supervise import Supervisor, programs


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("serve")(serve)


def serve(config: ConfigOption = None) -> None:
    """Run the gateway and the console, and start again the one that dies.

    Example: ecluse serve --config /var/lib/ecluse/ecluse.toml
    """
    found = settings.find(config)
    chosen = settings.load(found)
    logs.configure(chosen.log.level)
    asyncio.run(Supervisor(programs(found, chosen.gateway.user, chosen.console.user)).run())
