"""``ecluse zones``: the admin-network zones that devices stand in."""

from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk
from ecluse.tables import whole

group = typer.Typer(no_args_is_help=True, help="Admin-network zones.")


@group.command("add", epilog="Example: ecluse zones add admin --source 192.0.2.10")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the zone.")],
    source: Annotated[str | None, typer.Option(help="Address of the gateway's host to dial from.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a zone."""
    desk = Desk.of(context, as_json)
    made = desk.client.post("/v1/zones", {"name": name, "source_address": source})
    desk.done(made, "zones.added", name=made["name"])


@group.command("list", epilog="Example: ecluse zones list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the zones."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/zones"))
    rows = [(item["name"], item["source_address"]) for item in found]
    desk.show_table(whole("field.name", "field.source"), rows, found)
