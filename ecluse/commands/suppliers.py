"""``ecluse suppliers``: companies and the sites they declared."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.commands.people import OneOrMany
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Suppliers and their declared sites.")

Supplier = Annotated[str, typer.Argument(help="Name of the supplier.")]
Sites = Annotated[
    list[str] | None,
    typer.Option(
        "--site", metavar="NAME,COUNTRY,NETWORK[,NETWORK…]", help="A declared site; repeat for several."
    ),
]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]


@group.command("add", epilog='Example: ecluse suppliers add "Imagix" --site "Lyon,FR,192.0.2.0/24"')
def add(context: typer.Context, name: Supplier, site: Sites = None, as_json: AsJson = False) -> None:
    """Add a supplier with its declared sites."""
    desk = Desk.of(context, as_json)
    made = desk.client.post(
        "/v1/suppliers", {"name": name, "sites": [read_site(text) for text in site or ()]}
    )
    desk.done(made, "suppliers.added", name=made["name"])


@group.command("list", epilog="Example: ecluse suppliers list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the suppliers."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/suppliers"))
    rows = [(item["name"], item["active"], [_site(site) for site in item["sites"]]) for item in found]
    columns = (Column("field.name"), *whole("field.active"), Column("field.sites"))
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse suppliers show Imagix")
def show(context: typer.Context, name: Supplier, as_json: AsJson = False) -> None:
    """Show one supplier."""
    desk = Desk.of(context, as_json)
    found = names.supplier(desk.client, name)
    fields = [
        ("field.name", found["name"]),
        ("field.active", found["active"]),
        ("field.one_post", found["one_post"]),
        ("field.sites", [_site(site) for site in found["sites"]]),
        ("field.id", found["id"]),
    ]
    desk.show_record(fields, found)


@group.command("sites", epilog='Example: ecluse suppliers sites Imagix --site "Lyon,FR,192.0.2.0/24"')
def sites(context: typer.Context, name: Supplier, site: Sites = None, as_json: AsJson = False) -> None:
    """Replace the declared sites of a supplier; without --site none is left, and nobody of it can come in."""
    desk = Desk.of(context, as_json)
    found = names.supplier(desk.client, name)
    body = {"sites": [read_site(text) for text in site or ()]}
    changed = desk.client.patch(f"/v1/suppliers/{found['id']}", body)
    desk.done(changed, "suppliers.changed", name=changed["name"])


@group.command("one-post", epilog="Example: ecluse suppliers one-post Imagix on")
def one_post(
    context: typer.Context,
    name: Supplier,
    choice: Annotated[
        OneOrMany, typer.Argument(metavar="on|off", help="One source at a time, or any number.")
    ],
    as_json: AsJson = False,
) -> None:
    """Let the sessions of each person of a supplier come from one source at a time."""
    desk = Desk.of(context, as_json)
    found = names.supplier(desk.client, name)
    changed = desk.client.patch(f"/v1/suppliers/{found['id']}", {"one_post": choice is OneOrMany.ON})
    desk.done(changed, "suppliers.changed", name=changed["name"])


@group.command("suspend", epilog='Example: ecluse suppliers suspend Imagix --reason "Incident déclaré"')
def suspend(context: typer.Context, name: Supplier, reason: Why, as_json: AsJson = False) -> None:
    """Suspend a supplier: its people come in no more, and its sessions are cut."""
    desk = Desk.of(context, as_json)
    found = names.supplier(desk.client, name)
    changed = desk.client.post(f"/v1/suppliers/{found['id']}/suspend", {"reason": reason})
    desk.done(changed, "suppliers.suspended", name=changed["name"])


@group.command("resume", epilog='Example: ecluse suppliers resume Imagix --reason "Incident clos"')
def resume(context: typer.Context, name: Supplier, reason: Why, as_json: AsJson = False) -> None:
    """Let a suspended supplier work again."""
    desk = Desk.of(context, as_json)
    found = names.supplier(desk.client, name)
    changed = desk.client.post(f"/v1/suppliers/{found['id']}/resume", {"reason": reason})
    desk.done(changed, "suppliers.resumed", name=changed["name"])


def read_site(text: str) -> Json:
    """Read ``NAME,COUNTRY,NETWORK[,NETWORK…]``; raises typer.BadParameter where it is something else."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 3 or not all(parts):
        raise typer.BadParameter(
            "write NAME,COUNTRY,NETWORK such as Lyon,FR,192.0.2.0/24", param_hint="--site"
        )
    return {"name": parts[0], "country": parts[1].upper(), "networks": parts[2:]}


def _site(site: Json) -> str:
    return f"{site['name']} ({site['country']}) {' '.join(site['networks'])}"
