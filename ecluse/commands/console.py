"""``ecluse console``: the hospital's side, in the foreground."""

import typer

from ecluse.commands.config import ConfigOption
from ecluse.loading import loading


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("console")(console)


def console(config: ConfigOption = None) -> None:
    """Run the console alone: the API, the journal's ingestion, the daily work on windows.

    Example: ecluse console --config /etc/ecluse/ecluse.toml
    """
    with loading():
        from ecluse.processes import console as process
        from ecluse.processes.start import run

    run("console", config, process.serve)
