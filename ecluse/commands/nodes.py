"""``ecluse nodes``: further gateways of this installation, each on a machine of its own."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse.commands.config import ConfigOption
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError

group = typer.Typer(
    no_args_is_help=True, help="Further gateways of this installation, on machines of their own."
)


@group.command(
    "new", epilog="Example: ecluse nodes new node2 /srv/node2 --config /var/lib/ecluse/ecluse.toml"
)
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The gateway's name in sessions, traces and journal: node2.")],
    folder: Annotated[Path, typer.Argument(help="A new folder, to be brought to the other machine.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Make the data directory of one more gateway. It holds the vault's keys: bring it over a safe way, then delete it.

    The console verifies what the new gateway signs once it is restarted.
    """
    from ecluse import settings
    from ecluse.nodes import make_node
    from recorder.errors import RecorderError

    desk = Desk.of(context, as_json)
    found = settings.find(config)
    chosen = settings.load(found)
    try:
        made = make_node(name, folder, found, chosen)
    except (OSError, RecorderError) as error:
        raise EcluseError("nodes.unwritable", path=str(folder), why=str(error)) from error
    document = {
        "node": made.name,
        "folder": str(made.folder),
        "public_key": str(made.public_key),
        "elsewhere": [str(path) for path in made.elsewhere],
    }
    desk.done(document, "nodes.made", folder=str(made.folder), name=made.name)
    if desk.as_json:
        return
    for path in made.elsewhere:
        desk.tell("nodes.elsewhere", path=str(path))
    if chosen.console.trace_public_keys:
        desk.tell("nodes.named", path=str(made.public_key))
