"""``ecluse interventions``: the goal-bound files that windows and sessions belong to."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Interventions: why somebody may come.")

Id = Annotated[str, typer.Argument(help="Identifier of the intervention, or its first digits.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]

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
    desk.done(made, "interventions.added", id=made["id"][:8])


@group.command("list", epilog="Example: ecluse interventions list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the interventions."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/interventions"))
    suppliers = names.suppliers_by_id(desk.client)
    rows = [
        (
            item["id"][:8],
            desk.say(f"kind.{item['kind']}"),
            suppliers.get(item["supplier_id"], item["supplier_id"]),
            item["purpose"],
            desk.word("intervention", item["state"]),
        )
        for item in found
    ]
    columns = (
        *whole("field.digits"),
        *(Column(f"field.{noun}") for noun in ("kind", "supplier", "purpose")),
        *whole("field.state"),
    )
    desk.show_table(columns, rows, found)


@group.command("hold", epilog='Example: ecluse interventions hold 3f2a --reason "Panne électrique"')
def hold(context: typer.Context, intervention: Id, reason: Why, as_json: AsJson = False) -> None:
    """Put an approved intervention on hold: its windows open nothing, and its sessions are cut."""
    _act(context, intervention, "hold", "interventions.held", reason, as_json)


@group.command("resume", epilog='Example: ecluse interventions resume 3f2a --reason "Courant rétabli"')
def resume(context: typer.Context, intervention: Id, reason: Why, as_json: AsJson = False) -> None:
    """Go on with an intervention that is on hold."""
    _act(context, intervention, "resume", "interventions.resumed", reason, as_json)


@group.command("close", epilog='Example: ecluse interventions close 3f2a --reason "Mise à jour faite"')
def close(context: typer.Context, intervention: Id, reason: Why, as_json: AsJson = False) -> None:
    """Close an intervention: its goal is reached, or cannot be."""
    _act(context, intervention, "close", "interventions.closed", reason, as_json)


@group.command("cancel", epilog='Example: ecluse interventions cancel 3f2a --reason "Reportée sans date"')
def cancel(context: typer.Context, intervention: Id, reason: Why, as_json: AsJson = False) -> None:
    """Cancel an intervention that will not take place."""
    _act(context, intervention, "cancel", "interventions.cancelled", reason, as_json)


def _act(context: typer.Context, text: str, verb: str, key: str, reason: str, as_json: bool) -> None:
    desk = Desk.of(context, as_json)
    found = names.intervention(desk.client, text)
    changed = desk.client.post(f"/v1/interventions/{found['id']}/{verb}", {"reason": reason})
    desk.done(changed, key, id=found["id"][:8])
