"""``ecluse traces store`` and ``ecluse traces gaps``: whether traces arrive, and what was replayed after an outage."""

from typing import Annotated

import typer

from ecluse import moments
from ecluse.commands.traces import group
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole


@group.command("store", epilog="Example: ecluse traces store")
def store(context: typer.Context, as_json: AsJson = False) -> None:
    """Show whether the gateways' traces arrive in the store. Exit 1 where those of one do not."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/store")
    rows = [
        (
            item["node"],
            desk.say("store.reachable" if item["reachable"] else "store.unreachable"),
            None if item["reachable"] else desk.moment(item["unreachable_since"]),
            None if item["spool_percent"] is None else f"{item['spool_percent']} %",
            item["error"],
        )
        for item in found["gateways"]
    ]
    if not rows and not desk.as_json:
        desk.tell("store.no_trouble")
        return
    columns = (
        *whole("field.node", "field.state", "field.since", "field.spool"),
        Column("field.error", cut=True),
    )
    if desk.as_json:
        desk.show_json(found)
    else:
        desk.show_table(columns, rows, found["gateways"])
    if not found["reachable"]:
        raise typer.Exit(1)


@group.command("gaps", epilog="Example: ecluse traces gaps --limit 5")
def gaps(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the outages of the store that are over: from when to when, and what was replayed after each."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/store/gaps", at_most=limit))
    rows = [
        (
            item["node"],
            desk.moment(item["since"]),
            moments.lasted(item["since"], item["until"]),
            str(item["session_count"]),
            str(item["records"]),
            str(item["segments"]),
            str(item["bytes"]),
            str(len(item["missing"])),
            f"{item['writer']} #{item['seq']}",
        )
        for item in found
    ]
    columns = (
        *whole("field.node", "field.since"),
        Column("field.duration", whole=True, number=True),
        Column("field.sessions", whole=True, number=True),
        Column("field.records", whole=True, number=True),
        Column("field.segments", whole=True, number=True),
        Column("field.bytes", whole=True, number=True),
        Column("field.missing", whole=True, number=True),
        Column("field.entry", cut=True, wide=True),
    )
    desk.show_table(columns, rows, found)
