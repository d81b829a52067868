"""``ecluse retention``: how long recordings are kept, what goes and what stays, and the purge."""

from typing import Annotated

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import RecordingUnusable
from ecluse.proving import meter
from ecluse.tables import Column, data_size, whole

group = typer.Typer(no_args_is_help=True, help="How long recordings are kept, and what is purged.")

Rule = Annotated[str, typer.Argument(help="Identifier of the rule that waits, or its first digits.")]


@group.command("show", epilog="Example: ecluse retention show")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how long recordings are kept, and every rule that was asked for."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/retention")
    desk.tell("retention.rule", days=found["rule"]["recordings_days"])
    people = names.people_by_id(desk.client) if found["history"] else {}
    rows = [
        (
            item["id"][:8],
            desk.word("rule", item["state"]),
            str(item["recordings_days"]),
            desk.moment(item["effective_at"]),
            people.get(item["asked_by"], item["asked_by"]),
            people.get(item["approved_by"], item["approved_by"]),
            item["decider"] or None,
            item["reason"] or None,
        )
        for item in found["history"]
    ]
    columns = (
        *whole("field.digits", "field.state"),
        Column("field.days", whole=True, number=True),
        *whole("field.effective", "field.requested_by", "field.approved_by", "field.decider"),
        Column("field.reason"),
    )
    desk.show_table(columns, rows, found, empty="retention.usual")


@group.command("set", epilog='Example: ecluse retention set --days 120 --reason "Avis du DPO du 3 mars"')
def set_(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="Days after the end of a session: at least 92.")],
    reason: Annotated[str, typer.Option(help="Asked for below 183 days and above 366.")] = "",
    decider: Annotated[str, typer.Option(help="Who answers for more than 366 days.")] = "",
    as_json: AsJson = False,
) -> None:
    """Set how long recordings are kept: longer at once; shorter once another person approved, and a week later."""
    desk = Desk.of(context, as_json)
    desk.options = {"recordings_days": "--days", "reason": "--reason", "decider": "--decider"}
    made = desk.client.post(
        "/v1/retention/rules", {"recordings_days": days, "reason": reason, "decider": decider}
    )
    key = "retention.set" if made["state"] == "set" else "retention.asked"
    desk.done(made, key, days=made["recordings_days"], id=made["id"][:8])


@group.command("approve", epilog="Example: ecluse retention approve 3f2a")
def approve(context: typer.Context, rule: Rule, as_json: AsJson = False) -> None:
    """Approve a shortening that somebody else asked for; it is in force a week later."""
    desk = Desk.of(context, as_json)
    done = desk.client.post(f"/v1/retention/rules/{_rule(desk, rule)['id']}/approve")
    at = desk.moment(done["effective_at"])
    desk.done(done, "retention.approved", days=done["recordings_days"], at=at)


@group.command("refuse", epilog='Example: ecluse retention refuse 3f2a --reason "Enquête en cours"')
def refuse(
    context: typer.Context,
    rule: Rule,
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")],
    as_json: AsJson = False,
) -> None:
    """Refuse, or take back, a shortening that is not in force yet."""
    desk = Desk.of(context, as_json)
    done = desk.client.post(f"/v1/retention/rules/{_rule(desk, rule)['id']}/refuse", {"reason": reason})
    desk.done(done, "retention.refused", days=done["recordings_days"])


@group.command("plan", epilog="Example: ecluse retention plan --days 30")
def plan(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=0, max=366, help="Due within so many days; 0: now.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show what will be purged and when, and what stays and why. Nothing is touched."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/retention/plan", days=days)
    if found["doubt"] is not None:
        desk.tell(f"retention.doubt.{found['doubt']}")
    desk.tell(
        "retention.planned", count=found["count"], size=data_size(found["size"], desk.language), days=days
    )
    journal = found["journal"]
    if journal["count"]:
        desk.tell("retention.journal_planned", count=journal["count"], before=desk.moment(journal["before"]))
    if journal["held"]:
        desk.tell("retention.journal_held", count=journal["held"])
    rows = [
        (
            item["session_id"][:8],
            desk.moment(item["closed_at"]),
            item["person_login"],
            item["device_name"],
            data_size(item["size"], desk.language),
            desk.moment(item["due_at"]),
            _stays(desk, item),
        )
        for item in found["items"]
    ]
    columns = (
        *whole("field.digits", "field.ended", "field.person", "field.device"),
        Column("field.size", whole=True, number=True),
        *whole("field.due_at"),
        Column("field.stays", wide=True),
    )
    desk.show_table(columns, rows, found, empty="retention.nothing")
    if found["waiting"]:
        desk.tell("retention.waiting", count=len(found["waiting"]))


@group.command("run", epilog="Example: ecluse retention run")
def run(context: typer.Context, as_json: AsJson = False) -> None:
    """Purge now what is due. The console does it by itself every hour; this is for who will not wait."""
    desk = Desk.of(context, as_json)
    fates: Json | None = None
    with meter(desk) as bar, desk.client.lines("/v1/retention/run") as lines:
        for line in lines:
            fates = line.get("fates", fates)
            if "part" in line:
                bar(line["part"], line["done"], line["of"])
    if fates is None:
        raise RecordingUnusable("retention.stopped")
    gone = fates.get("gone", 0)
    rest = {fate: count for fate, count in fates.items() if fate != "gone"}
    desk.done(fates, "retention.ran", count=gone)
    for fate, count in sorted(rest.items()):
        desk.tell(f"retention.fate.{fate}", count=count)


def _rule(desk: Desk, text: str) -> Json:
    history = desk.client.get("/v1/retention")["history"]
    return names.only([item for item in history if item["id"].startswith(text)], "rules", text)


def _stays(desk: Desk, item: Json) -> str | None:
    if item["stays"] is None:
        return None
    until = desk.moment(item["until"]) or "?"
    return desk.word("stays", item["stays"], case=item["case"] or "?", until=until)
