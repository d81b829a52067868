"""``ecluse devices derog…``: what old devices are excused from, by whom and until when."""

from typing import Annotated

import typer

from ecluse import moments, names
from ecluse.commands.devices import Name, Why, group
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError
from ecluse.tables import Column, whole

Until = Annotated[
    str,
    typer.Option(
        "--until",
        help='Last day, included, or instant, on the hospital\'s clock: 2027-06-30, "2027-06-30 12:00".',
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="KIND=NAME", help="This weakness alone; repeat for several. All if left out."
    ),
]


@group.command(
    "derogate",
    epilog='Example: ecluse devices derogate scan01 --until 2027-06-30 --reason "Remplacé en juin"',
)
def derogate(
    context: typer.Context, name: Name, until: Until, reason: Why, only: Only = None, as_json: AsJson = False
) -> None:
    """Answer for what a device is too old for, until a date: you are who decides."""
    desk = Desk.of(context, as_json)
    found = names.device(desk.client, name)
    body = {
        "until": desk.instant(moments.through(until), "--until"),
        "reason": reason,
        "weaknesses": only or None,
    }
    made = desk.client.post(f"/v1/devices/{found['id']}/derogations", body)
    accepted = [item["weakness"] for item in made["items"]]
    end = desk.moment(made["items"][0]["expires_at"])
    desk.done(made["items"], "derogations.accepted", device=found["name"], weaknesses=accepted, until=end)


@group.command("derogations", epilog="Example: ecluse devices derogations")
def list_(
    context: typer.Context,
    device: Annotated[str | None, typer.Option(help="Those of this device alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the derogations: in force, ending within 30 days, over."""
    desk = Desk.of(context, as_json)
    one = None if device is None else names.device(desk.client, device)["id"]
    found = list(desk.client.items("/v1/derogations", device_id=one))
    devices, people = names.devices_by_id(desk.client), names.people_by_id(desk.client)
    rows = [
        (
            devices.get(item["device_id"], item["device_id"]),
            item["weakness"],
            desk.word("derogation", item["state"]),
            desk.moment(item["expires_at"]),
            people.get(item["decided_by"], item["decided_by"]),
            item["reason"],
            item["id"][:8],
        )
        for item in found
    ]
    columns = (
        *whole("field.device", "field.weakness", "field.state", "field.until", "field.decider"),
        Column("field.reason"),
        *whole("field.id"),
    )
    desk.show_table(columns, rows, found)


@group.command(
    "derogation-end", epilog='Example: ecluse devices derogation-end de000f5e --reason "Mis à jour"'
)
def end(
    context: typer.Context,
    derogation: Annotated[str, typer.Argument(help="Its identifier, or the first digits of it.")],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Take a derogation back: sessions that hang on it are ended."""
    desk = Desk.of(context, as_json)
    found = [item for item in desk.client.items("/v1/derogations") if item["id"].startswith(derogation)]
    if len(found) != 1:
        raise EcluseError("derogations.which", id=derogation, count=len(found))
    changed = desk.client.post(f"/v1/derogations/{found[0]['id']}/withdraw", {"reason": reason})
    desk.done(changed, "derogations.withdrawn", weakness=changed["weakness"])
