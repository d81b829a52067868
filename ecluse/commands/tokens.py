"""``ecluse tokens``: who holds a token of the API, and ending one without holding it."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Tokens of the API: who holds one, and ending it.")


@group.command("list", epilog="Example: ecluse tokens list --person denis")
def list_(
    context: typer.Context,
    person: Annotated[str | None, typer.Option(help="Only those of this person.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over or revoked, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tokens that are in force, the newest first. The tokens themselves are kept nowhere."""
    desk = Desk.of(context, as_json)
    person_id = names.person(desk.client, person)["id"] if person is not None else None
    found = [
        item
        for item in desk.client.items("/v1/tokens", person_id=person_id)
        if everything or item["in_force"]
    ]
    people = names.people_by_id(desk.client)
    rows = [
        (
            item["id"][:8],
            people.get(item["person_id"], item["person_id"]),
            [desk.say(f"role.{role}") for role in item["roles"]],
            desk.moment(item["issued"]),
            desk.moment(item["expires"]),
            desk.word("token_label", item["label"]),
            item["in_force"],
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.person"),
        Column("field.roles"),
        *whole("field.issued", "field.expires"),
        Column("field.label", wide=True),
        Column("field.in_force", whole=True, wide=not everything),
    )
    desk.show_table(columns, rows, found)


@group.command("revoke", epilog="Example: ecluse tokens revoke 70ce")
def revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="Identifier of the token, or its first digits.")],
    as_json: AsJson = False,
) -> None:
    """End a token at once: your own, or anybody's if you may stop things. Its person logs in again."""
    desk = Desk.of(context, as_json)
    found = names.token(desk.client, token)
    desk.client.post(f"/v1/tokens/{found['id']}/revoke")
    desk.done({"revoked": found["id"]}, "tokens.revoked", id=found["id"][:8])
