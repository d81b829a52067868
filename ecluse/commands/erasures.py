"""``ecluse erasures``: recordings erased before their time, by two persons and with a reason."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Recordings erased before their time, by two persons.")

Id = Annotated[str, typer.Argument(help="Identifier of the request, or its first digits.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")]


@group.command("list", epilog="Example: ecluse erasures list --state asked")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(metavar="asked|approved|refused|done")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was asked for, the last first."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/erasures", state=state))
    people = names.people_by_id(desk.client) if found else {}
    rows = [
        (
            item["id"][:8],
            desk.word("erasure", item["state"]),
            item["session_id"][:8],
            people.get(item["asked_by"], item["asked_by"]),
            people.get(item["decided_by"], item["decided_by"]),
            item["reason"],
            _delay(desk, item),
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.state", "field.session", "field.requested_by", "field.decider"),
        Column("field.reason"),
        Column("field.stays", wide=True),
    )
    desk.show_table(columns, rows, found, empty="erasures.none")


@group.command("ask", epilog='Example: ecluse erasures ask 5e000f5e --reason "Tiers filmé par erreur"')
def ask(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="Identifier of the session, or its first digits.")],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Ask that a recording be erased now. Another person must approve; a hold beats it."""
    desk = Desk.of(context, as_json)
    found = names.trace(desk.client, session)
    body = {"session_id": found["id"], "reason": reason, "code": desk.fresh_code()}
    made = desk.client.post("/v1/erasures", body)
    desk.done(made, "erasures.asked", id=made["id"][:8], session=made["session_id"][:8])


@group.command("approve", epilog='Example: ecluse erasures approve 3f2a --reason "Vérifié avec le DPO"')
def approve(context: typer.Context, erasure: Id, reason: Why, as_json: AsJson = False) -> None:
    """Approve what somebody else asked for: the recording is gone a moment later, for ever."""
    _decide(Desk.of(context, as_json), erasure, "approve", reason)


@group.command("refuse", epilog='Example: ecluse erasures refuse 3f2a --reason "Enquête en cours"')
def refuse(context: typer.Context, erasure: Id, reason: Why, as_json: AsJson = False) -> None:
    """Refuse it, or take it back."""
    _decide(Desk.of(context, as_json), erasure, "refuse", reason)


def _decide(desk: Desk, text: str, verb: str, reason: str) -> None:
    every = list(desk.client.items("/v1/erasures"))
    found = names.only([item for item in every if item["id"].startswith(text)], "erasures", text)
    proof = {"code": desk.fresh_code()} if verb == "approve" else {}
    done = desk.client.post(f"/v1/erasures/{found['id']}/{verb}", {"reason": reason, **proof})
    key = "erasures.approved" if verb == "approve" else "erasures.refused"
    desk.done(done, key, session=done["session_id"][:8])


def _delay(desk: Desk, item: Json) -> str | None:
    if item["delay"] is None:
        return None
    return desk.word("stays", item["delay"], case="?", until=desk.moment(item["delay_until"]) or "?")
