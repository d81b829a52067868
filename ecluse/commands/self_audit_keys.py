"""``ecluse self-audit keys``: who may sign the self-audits of machines that have no key of checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.commands.self_audit import group as self_audit
from ecluse.desk import AsJson, Desk
from ecluse.errors import MachineError

if TYPE_CHECKING:
    from ecluse.registry import Registry

group = typer.Typer(
    no_args_is_help=True, help="The keys that sign other machines' self-audits, one a machine."
)
self_audit.add_typer(group, name="keys")
NodeArgument = Annotated[str, typer.Argument(help="The machine's name, as its settings have it: node2.")]


@group.command("new", epilog="Example: ecluse self-audit keys new --config /etc/ecluse/ecluse.toml")
def new(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Make the key of a further gateway, as root there; 'nodes new' made one already, and registered it.

    Bring its public half to the console's machine: 'self-audit keys add'.
    """
    from ecluse.registry import make
    from ecluse.selfaudit.signers import own_key

    desk, settings = Desk.of(context, as_json), load(config)
    if not settings.console.elsewhere:
        raise MachineError("self_audit.not_apart")
    make(desk, "self_audit", own_key(settings))


@group.command(
    "add",
    epilog="Example: ecluse self-audit keys add node2 self-audit.pem.pub --config /etc/ecluse/ecluse.toml",
)
def add(
    context: typer.Context,
    node: NodeArgument,
    public: Annotated[Path, typer.Argument(help="Public key that was made there.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Register a machine's key, as root on the console's machine; from then on it is missed where it makes no audit."""
    _registry(config).add(Desk.of(context, as_json), node, public)


@group.command("list", epilog="Example: ecluse self-audit keys list --config /etc/ecluse/ecluse.toml")
def list_(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the machines whose keys are registered."""
    _registry(config).show(Desk.of(context, as_json))


@group.command(
    "remove", epilog="Example: ecluse self-audit keys remove node2 --config /etc/ecluse/ecluse.toml"
)
def remove(
    context: typer.Context, node: NodeArgument, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Take away the key of a machine that is gone: its reports count no more, and nobody misses one."""
    _registry(config).remove(Desk.of(context, as_json), node)


def _registry(config: Path | None) -> "Registry":
    from admin_api.registered_keys import RegisteredKeys
    from ecluse.registry import Registry

    settings = load(config)
    return Registry("self_audit", "node", settings, RegisteredKeys(settings.audit_keys))
