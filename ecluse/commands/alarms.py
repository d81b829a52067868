"""``ecluse alarms``: what must be looked at, and what the hospital did about it."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="Alarms: what must be looked at, and what was done about it.")

Id = Annotated[str, typer.Argument(help="Identifier of the alarm, or its first digits.")]


@group.command("list", epilog="Example: ecluse alarms list --severity critical")
def list_(
    context: typer.Context,
    state: Annotated[str, typer.Option(metavar="open|closed|all")] = "open",
    severity: Annotated[str | None, typer.Option(metavar="critical|high|notice")] = None,
    as_json: AsJson = False,
) -> None:
    """List the alarms that nobody closed, the one seen last first."""
    desk = Desk.of(context, as_json)
    desk.options = {"state": "--state", "severity": "--severity"}
    found = list(desk.client.items("/v1/alarms", state=state, severity=severity))
    rows = [
        (
            item["id"][:8],
            desk.word("severity", item["severity"]),
            desk.word("alarm", item["state"]),
            str(item["count"]),
            desk.moment(item["last_at"]),
            item["title"],
            _about(item),
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.severity", "field.state"),
        Column("field.count", whole=True, number=True),
        *whole("field.last_seen"),
        Column("field.alarm"),
        Column("field.object", wide=True),
    )
    desk.show_table(columns, rows, found, empty="alarms.none")


@group.command("show", epilog="Example: ecluse alarms show 3f2a")
def show(context: typer.Context, alarm: Id, as_json: AsJson = False) -> None:
    """Show one alarm: what happened, what to do now, and what was done."""
    desk = Desk.of(context, as_json)
    item = names.alarm(desk.client, alarm)
    fields = [
        ("field.id", item["id"]),
        ("field.alarm", item["title"]),
        ("field.severity", desk.word("severity", item["severity"])),
        ("field.state", desk.word("alarm", item["state"])),
        ("field.happened", item["sentence"]),
        ("field.act", item["act"]),
        ("field.count", str(item["count"])),
        ("field.first", desk.moment(item["first_at"], seconds=True)),
        ("field.last_seen", desk.moment(item["last_at"], seconds=True)),
        ("field.gone", desk.moment(item["over_at"], seconds=True)),
        ("field.object", _about(item)),
        ("field.session", item["session_id"]),
        ("field.acknowledged", _answer(desk, item["acknowledged"])),
        ("field.closed", _answer(desk, item["closed"])),
        ("field.webhook", [_call(desk, call) for call in item["calls"]]),
    ]
    desk.show_record([(key, value) for key, value in fields if value not in (None, [])], item)


@group.command("acknowledge", epilog='Example: ecluse alarms acknowledge 3f2a --note "J’appelle Imagix"')
def acknowledge(
    context: typer.Context,
    alarm: Id,
    note: Annotated[str, typer.Option(help="For whoever looks at it after you.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say that you look into it; it stays in the list until it is closed."""
    desk = Desk.of(context, as_json)
    found = names.alarm(desk.client, alarm)
    done = desk.client.post(f"/v1/alarms/{found['id']}/acknowledge", {"note": note})
    desk.done(done, "alarms.acknowledged", id=done["id"][:8], alarm=done["title"])


@group.command(
    "close", epilog='Example: ecluse alarms close 3f2a --note "Scanner réinstallé hier, clé comparée"'
)
def close(
    context: typer.Context,
    alarm: Id,
    note: Annotated[str, typer.Option(help="What it was; kept in the journal.")],
    as_json: AsJson = False,
) -> None:
    """Close an alarm and say what it was; the same cause is a new alarm from now on."""
    desk = Desk.of(context, as_json)
    found = names.alarm(desk.client, alarm)
    done = desk.client.post(f"/v1/alarms/{found['id']}/close", {"note": note})
    desk.done(done, "alarms.closed", id=done["id"][:8], alarm=done["title"])


@group.command("test", epilog="Example: ecluse alarms test")
def exercise(context: typer.Context, as_json: AsJson = False) -> None:
    """Raise an exercise, which takes the way of a real alarm to the list, the mail and the webhook."""
    desk = Desk.of(context, as_json)
    done = desk.client.post("/v1/alarms/test")
    desk.done(done, "alarms.tested")


def _about(item: Json) -> str | None:
    """Return whom and what an alarm is about, in few words."""
    facts = item["facts"]
    parts = (item["person"] or facts.get("login"), item["device"], facts.get("source"), facts.get("node"))
    return " ".join(str(part) for part in parts if part) or None


def _answer(desk: Desk, answer: Json | None) -> str | None:
    if answer is None:
        return None
    said = f"{desk.colon}{answer['note']}" if answer["note"] else ""
    return f"{answer['by']}, {desk.moment(answer['at'])}{said}"


def _call(desk: Desk, call: Json) -> str:
    state = "delivered" if call["delivered_at"] else "abandoned" if call["abandoned_at"] else "waiting"
    fault = f" ({call['fault']})" if call["fault"] else ""
    return f"{desk.word('became', call['event'])}: {desk.word('call', state)}{fault}"
