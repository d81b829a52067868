"""``ecluse interventions``: the goal-bound files that windows and sessions belong to."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk

group = typer.Typer(no_args_is_help=True, help="Interventions: why somebody may come.")

KINDS = {
    "monitoring": "remote_monitoring",
    "maintenance": "remote_maintenance",
    "assistance": "remote_assistance",
}


def kind_of(text: str) -> str:
    """Return the API's name of a kind; raises typer.BadParameter for another."""
    if text in KINDS.values():
        return text
    if text not in KINDS:
        raise typer.BadParameter("write monitoring, maintenance or assistance", param_hint="--kind")
    return KINDS[text]


def register(root: typer.Typer) -> None:
    """Add the noun to *root*."""
    root.add_typer(group, name="interventions")


@group.command(
    "add",
    epilog='Example: ecluse interventions add --supplier Imagix --kind maintenance --purpose "Mise à jour 4.2"',
)
def add(
    context: typer.Context,
    supplier: Annotated[str, typer.Option(help="Its supplier.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    kind: Annotated[str, typer.Option(metavar="monitoring|maintenance|assistance")] = "maintenance",
    as_json: AsJson = False,
) -> None:
    """Open an intervention that several windows may belong to."""
    desk = Desk.of(context, as_json)
    wanted = kind_of(kind)
    found = names.supplier(desk.client, supplier)
    made = desk.client.post(
        "/v1/interventions", {"supplier_id": found["id"], "kind": wanted, "purpose": purpose}
    )
    desk.done(made, "interventions.added", id=made["id"])


@group.command("list", epilog="Example: ecluse interventions list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the interventions."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/interventions"))
    suppliers = names.suppliers_by_id(desk.client)
    rows = [
        (
            item["id"],
            desk.say(f"kind.{item['kind']}"),
            suppliers.get(item["supplier_id"], item["supplier_id"]),
            item["purpose"],
            item["state"],
        )
        for item in found
    ]
    desk.show_table(("field.id", "field.kind", "field.supplier", "field.purpose", "field.state"), rows, found)
