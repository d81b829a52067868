"""``ecluse serve``: the gateway and the console together, each in its own process."""

import asyncio

import typer

from ecluse.commands.config import ConfigOption


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("serve")(serve)


def serve(config: ConfigOption = None) -> None:
    """Run the gateway and the console, and start again the one that dies. SIGTERM drains both.

    One that cannot start is tried again after a pause that grows to 30 seconds, and its log says why: the other
    serves meanwhile. Started as root with gateway.user and console.user, each runs under its own user; "ecluse
    doctor" says which files these users cannot reach yet, for "ecluse init" gives everything to the user who runs it.

    Example: ecluse serve --config /var/lib/ecluse/ecluse.toml
    """
    from ecluse import logs, settings
    from ecluse.supervise import Supervisor, check_users, programs

    found = settings.find(config)
    chosen = settings.load(found)
    check_users(chosen.gateway.user, chosen.console.user)
    logs.configure(chosen.log.level)
    asyncio.run(Supervisor(programs(found, chosen.gateway.user, chosen.console.user)).run())
