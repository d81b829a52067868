"""``ecluse reports``: what technicians report of their interventions (rule O5)."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Reports of interventions.")

Id = Annotated[str, typer.Argument(help="Identifier of the intervention, or its first digits.")]


@group.command("list", epilog="Example: ecluse reports list --state due")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(metavar="due|filed|acknowledged")] = None,
    as_json: AsJson = False,
) -> None:
    """List the interventions that were worked on, and where the report of each stands."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/reports", state=state))
    rows = [
        (
            item["intervention_id"][:8],
            desk.word("report", item["state"]),
            item["devices"],
            desk.moment(item["last_at"]),
            desk.moment(item["due_at"]),
            item["purpose"],
        )
        for item in found
    ]
    columns = (
        *whole("field.intervention", "field.state"),
        Column("field.devices"),
        *whole("field.last", "field.due"),
        Column("field.purpose"),
    )
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse reports show 3f2a")
def show(context: typer.Context, intervention: Id, as_json: AsJson = False) -> None:
    """Show the report of one intervention, with the sessions that it tells of."""
    desk = Desk.of(context, as_json)
    item = _standing(desk, intervention)
    report = item["report"] or {}
    people = names.people_by_id(desk.client)
    sessions = [
        f"{one['session'][:8]} {one['device']} {desk.moment(one['opened_at'])}"
        for one in (report.get("facts") or {}).get("sessions", [])
    ]
    fields = [
        ("field.intervention", item["intervention_id"]),
        ("field.state", desk.word("report", item["state"])),
        ("field.purpose", item["purpose"]),
        ("field.goal", desk.word("goal", report.get("goal"))),
        ("field.author", people.get(report.get("author_id", ""))),
        ("field.sessions", sessions),
        ("field.what", report.get("what")),
        ("field.due", desk.moment(item["due_at"])),
    ]
    desk.show_record(fields, item)


@group.command("acknowledge", epilog="Example: ecluse reports acknowledge 3f2a")
def acknowledge(context: typer.Context, intervention: Id, as_json: AsJson = False) -> None:
    """Note that the hospital has read the report: it is final from now on."""
    desk = Desk.of(context, as_json)
    item = _standing(desk, intervention)
    if item["report"] is None:
        desk.note("reports.due", id=item["intervention_id"][:8])
        raise typer.Exit(1)
    read = desk.client.post(f"/v1/reports/{item['report']['id']}/acknowledge")
    desk.done(read, "reports.acknowledged", id=item["intervention_id"][:8])


def _standing(desk: Desk, intervention: str) -> Json:
    found = names.intervention(desk.client, intervention)
    items = desk.client.items("/v1/reports")
    for item in items:
        if item["intervention_id"] == found["id"]:
            return item
    desk.note("reports.none", id=found["id"][:8])
    raise typer.Exit(1)
