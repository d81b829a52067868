"""``ecluse holds``: what must not be destroyed, and for which case."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Legal holds: what must not be destroyed, and for which case.")


@group.command("list", epilog="Example: ecluse holds list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the holds, those that stand first."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/holds"))
    people = names.people_by_id(desk.client) if found else {}
    devices = names.devices_by_id(desk.client) if found else {}
    rows = [
        (
            item["id"][:8],
            item["case"],
            desk.word("hold", _state(item)),
            _about(desk, item, people, devices),
            desk.moment(item["placed_at"]),
            people.get(item["placed_by"], item["placed_by"]),
            item["reason"],
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.case", "field.state"),
        Column("field.object", wide=True),
        *whole("field.placed", "field.person"),
        Column("field.reason"),
    )
    desk.show_table(columns, rows, found, empty="holds.none")


@group.command(
    "place",
    epilog='Example: ecluse holds place --case "Plainte 2026-114" --device scan01 --from 2026-03-01 '
    '--reason "Demande du procureur"',
)
def place(
    context: typer.Context,
    case: Annotated[str, typer.Option(help="The case that it is for.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")],
    session: Annotated[str | None, typer.Option(help="This session, or its first digits.")] = None,
    person: Annotated[str | None, typer.Option(help="What this person did and will do.")] = None,
    device: Annotated[str | None, typer.Option(help="What was and will be done on this device.")] = None,
    intervention: Annotated[str | None, typer.Option(help="The sessions of this intervention.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Sessions open at or after then.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Sessions opened before then: a day named alone is not included."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold recordings: whatever retention and two persons say, what is covered stays; what is recorded later too."""
    desk = Desk.of(context, as_json)
    desk.options = {"session_id": "--session", "since": "--from", "until": "--to", "case": "--case"}
    client = desk.client
    body = {
        "case": case,
        "reason": reason,
        "session_id": None if session is None else names.session(client, session)["id"],
        "person_id": None if person is None else names.person(client, person)["id"],
        "device_id": None if device is None else names.device(client, device)["id"],
        "intervention_id": None if intervention is None else names.intervention(client, intervention)["id"],
        "since": desk.instant(from_, "--from"),
        "until": desk.instant(to, "--to"),
    }
    made = client.post("/v1/holds", body)
    desk.done(made, "holds.placed", case=made["case"], id=made["id"][:8])


@group.command("lift", epilog='Example: ecluse holds lift 3f2a --reason "Affaire classée"')
def lift(
    context: typer.Context,
    hold: Annotated[str, typer.Argument(help="Identifier of the hold, or its first digits.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")],
    as_json: AsJson = False,
) -> None:
    """Lift a hold; what it covers is kept for a week more. Whom it concerns cannot."""
    desk = Desk.of(context, as_json)
    every = list(desk.client.items("/v1/holds"))
    found = names.only([item for item in every if item["id"].startswith(hold)], "holds", hold)
    done = desk.client.post(f"/v1/holds/{found['id']}/lift", {"reason": reason})
    desk.done(done, "holds.lifted", case=done["case"])


def _state(item: Json) -> str:
    if item["lifted_at"] is None:
        return "stands"
    return "ending" if item["keeps"] else "lifted"


def _about(desk: Desk, item: Json, people: dict[str, str], devices: dict[str, str]) -> str:
    parts = [
        None if item["session_id"] is None else item["session_id"][:8],
        people.get(item["person_id"], item["person_id"]),
        devices.get(item["device_id"], item["device_id"]),
        None if item["intervention_id"] is None else item["intervention_id"][:8],
    ]
    if item["since"] or item["until"]:
        parts.append(f"{desk.moment(item['since']) or ''} → {desk.moment(item['until']) or ''}")
    return " ".join(part for part in parts if part)
