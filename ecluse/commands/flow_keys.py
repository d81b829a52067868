"""``ecluse flows keys``: who may sign the result of a probe, and for which vantage."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.commands.flows import group as flows
from ecluse.desk import AsJson, Desk

if TYPE_CHECKING:
    from ecluse.registry import Registry

group = typer.Typer(no_args_is_help=True, help="The keys that sign probes' results, one a vantage.")
flows.add_typer(group, name="keys")
VantageArgument = Annotated[str, typer.Argument(help="The name for where the machine that probes stands.")]


@group.command("new", epilog="Example: ecluse flows keys new /etc/ecluse-probe/probe.pem")
def new(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="New file; the public half is put beside it, in ….pub.")],
    as_json: AsJson = False,
) -> None:
    """Make a key, on the machine that probes. Bring its public half to the console's machine: 'flows keys add'."""
    from ecluse.registry import make

    make(Desk.of(context, as_json), "flows", path)


@group.command(
    "add", epilog="Example: ecluse flows keys add imagix-lyon probe.pem.pub --config /etc/ecluse/ecluse.toml"
)
def add(
    context: typer.Context,
    vantage: VantageArgument,
    public: Annotated[Path, typer.Argument(help="Public key that 'flows keys new' made there.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Register the key of a vantage, as root on each console's machine; compare its fingerprint with the one shown there."""
    _registry(config).add(Desk.of(context, as_json), vantage, public)


@group.command("list", epilog="Example: ecluse flows keys list --config /etc/ecluse/ecluse.toml")
def list_(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the registered keys."""
    _registry(config).show(Desk.of(context, as_json))


@group.command(
    "remove", epilog="Example: ecluse flows keys remove imagix-lyon --config /etc/ecluse/ecluse.toml"
)
def remove(
    context: typer.Context, vantage: VantageArgument, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Take a vantage's key away: no result of it is taken any more, and none that came counts as clean."""
    _registry(config).remove(Desk.of(context, as_json), vantage)


def _registry(config: Path | None) -> "Registry":
    from admin_api.registered_keys import RegisteredKeys
    from ecluse.registry import Registry

    settings = load(config)
    return Registry("flows", "vantage", settings, RegisteredKeys(settings.probe_keys))
