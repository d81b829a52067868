"""``ecluse gateway``: the SSH side, in the foreground."""

import typer

from ecluse.commands.config import ConfigOption
from ecluse.loading import loading


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("gateway")(gateway)


def gateway(config: ConfigOption = None) -> None:
    """Run the gateway alone: technicians' connections, the spool, the devices. SIGTERM drains it.

    Example: ecluse gateway --config /etc/ecluse/ecluse.toml
    """
    with loading():
        from ecluse.processes import gateway as process
        from ecluse.processes.start import run

    run("gateway", config, process.serve)
