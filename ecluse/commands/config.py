"""``ecluse config``: check and show the settings of this machine."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.desk import AsJson, Desk

if TYPE_CHECKING:
    from ecluse.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file; by default $ECLUSE_CONFIG or ./ecluse.toml."
    ),
]

group = typer.Typer(help="Check and show this machine's settings.", no_args_is_help=True)


def load(path: Path | None) -> "Settings":
    """Return the settings in *path*, or where they are found. Raises SettingsError."""
    from ecluse import settings

    return settings.load(settings.find(path))


@group.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Read the settings as the programs will, and say what is wrong with them.

    Example: ecluse config check --config /etc/ecluse/ecluse.toml
    """
    from ecluse import composition, settings

    desk = Desk.of(context, as_json)
    found = settings.find(config)
    chosen = settings.load(found)
    chosen.policy_url()
    chosen.trace_url()
    composition.mail_settings(chosen)
    desk.done({"file": str(found), "valid": True}, "config.valid", file=str(found))


@group.command()
def show(context: typer.Context, config: ConfigOption = None) -> None:
    """Print every setting with its present value, as JSON. No secret is among them: only paths of files.

    Example: ecluse config show | jq .gateway
    """
    del context
    json.dump(load(config).model_dump(mode="json"), sys.stdout, indent=2)
    sys.stdout.write("\n")
