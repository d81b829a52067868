"""``ecluse sessions``: who is inside now, who was, and the cut."""

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from ecluse import moments, names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.keyboard import Keyboard
from ecluse.moments import Since, Until
from ecluse.playback import RESTORE
from ecluse.tables import Column, whole
from ecluse.watching import Window

group = typer.Typer(no_args_is_help=True, help="Sessions, live and past, and the cut.")

_Which = "first or second, where the clock shows it twice."
AtFold = Annotated[str | None, typer.Option(metavar="WHICH", help=f"Which --at: {_Which}")]
FromFold = Annotated[str | None, typer.Option(metavar="WHICH", help=f"Which --from: {_Which}")]
ToFold = Annotated[str | None, typer.Option(metavar="WHICH", help=f"Which --to: {_Which}")]
Why = Annotated[str, typer.Option("--reason", help="The technician reads it, and the journal keeps it.")]


class From(StrEnum):
    """From when a live session is followed."""

    NOW = "now"
    START = "start"


@group.command("list", epilog="Example: ecluse sessions list --live")
def list_(
    context: typer.Context,
    live: Annotated[bool, typer.Option("--live/--past", help="Those open now, or those that ended.")] = True,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the sessions: those open now, or with --past those that ended."""
    desk = Desk.of(context, as_json)
    state = "live" if live else "past"
    found = list(desk.client.items("/v1/sessions", at_most=limit, state=state))
    rows = [
        (
            item["id"][:8],
            item["person_login"],
            item["device_name"],
            item["account_name"],
            item["source"],
            desk.moment(item["started"]),
            moments.lasted(item["started"], item["ended"]),
            desk.word("session" if live else "ended", item["state" if live else "reason"]),
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.person", "field.device"),
        Column("field.account", whole=True, wide=True),
        Column("field.source", whole=True, wide=not live),
        *whole("field.started"),
        Column("field.duration", whole=True, number=True, wide=live),
        *whole("field.state" if live else "field.reason"),
    )
    desk.show_table(columns, rows, found, empty="list.no_live_session" if live else "list.empty")


@group.command("show", epilog="Example: ecluse sessions show 8c1d")
def show(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="Identifier, or its first digits.")],
    as_json: AsJson = False,
) -> None:
    """Show one session."""
    desk = Desk.of(context, as_json)
    found = names.session(desk.client, session)
    if desk.as_json:
        desk.show_json(found)
        return
    fields = [
        ("field.id", found["id"]),
        ("field.state", desk.word("session", found["state"])),
        ("field.person", found["person_login"]),
        ("field.device", found["device_name"]),
        ("field.account", found["account_name"]),
        ("field.source", found["source"]),
        ("field.started", desk.moment(found["started"], seconds=True)),
        ("field.ended", desk.moment(found["ended"], seconds=True)),
        ("field.reason", desk.word("ended", found["reason"])),
        ("field.window", found["window_id"][:8]),
    ]
    desk.show_record(fields, found)


@group.command("who", epilog='Example: ecluse sessions who scan01 --at "2026-11-22 21:14"')
def who(
    context: typer.Context,
    device: Annotated[str | None, typer.Argument(help="Device; unset, on any.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="On the hospital's clock; unset, now.")
    ] = None,
    since: Since = None,
    until: Until = None,
    person: Annotated[str | None, typer.Option(help="Only this person.")] = None,
    supplier: Annotated[str | None, typer.Option(help="Only this supplier's people.")] = None,
    at_fold: AtFold = None,
    from_fold: FromFold = None,
    to_fold: ToFold = None,
    as_json: AsJson = False,
) -> None:
    """Say who was on a device at an instant, or within a period (--from, --to)."""
    desk = Desk.of(context, as_json)
    desk.options = {name: f"--{name}" for name in ("at", "from", "to")}
    if at == "now":
        at = None
    elif (
        at is not None
        and (minute := moments.whole_minute(at)) is not None
        and since is None
        and until is None
    ):
        at, since, until, from_fold, to_fold, at_fold = None, *minute, at_fold, at_fold, None
        desk.options = dict.fromkeys(("from", "to"), "--at")
        if datetime.fromisoformat(str(desk.instant(until, "--at"))) > datetime.now(UTC):
            until, to_fold = None, None  # the minute that goes on: until now
    folds = {"at_fold": at_fold, "from_fold": from_fold, "to_fold": to_fold}
    asked = {"device": device, "person": person, "supplier": supplier, "at": at, "from": since, "to": until}
    given = {name: value for name, value in {**asked, **folds}.items() if value is not None}
    found = desk.client.get("/v1/presence", **given)
    if as_json:
        desk.show_json(found)
        return
    for sentence in found["answer"]:
        desk.write(sentence)
    if found["more"]:
        desk.note("sessions.more_present")
    if found["items"]:
        rows = [
            (
                item["id"][:8],
                item["person_login"],
                item["device_name"],
                desk.moment(item["started"], seconds=True),
                desk.moment(item["ended"], seconds=True),
                desk.word("session", item["state"]),
            )
            for item in found["items"]
        ]
        columns = whole(
            *("field.digits", "field.person", "field.device", "field.started", "field.ended", "field.state")
        )
        desk.show_table(columns, rows, found)


@group.command("watch", epilog='Example: ecluse sessions watch 8c1d --reason "Appel du service"')
def watch(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="Identifier, or its first digits.")],
    reason: Annotated[str, typer.Option("--reason", help="The journal keeps it.")],
    since: Annotated[
        From, typer.Option("--from", help="From now on, or from its start: what came before is played first.")
    ] = From.NOW,
    speed: Annotated[
        float, typer.Option(min=1, max=64, help="How many times faster the past is played.")
    ] = 8.0,
    channel: Annotated[
        int | None, typer.Option(min=1, help="Only this one; unset, the newest terminal.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow a live session in this terminal, two seconds behind at most. Ctrl-C leaves; the session goes on."""
    desk = Desk.of(context, as_json)
    found = names.session(desk.client, session)
    body = {
        "reason": reason,
        "code": desk.fresh_code(),
        "since": since.value,
        "speed": speed,
        "channel": channel,
    }
    window = Window(_paint, desk.say)
    try:
        with desk.client.lines(f"/v1/sessions/{found['id']}/watch", body) as lines, Keyboard(sys.stdin):
            if as_json:
                for line in lines:
                    _paint(json.dumps(line) + "\n")
                return
            desk.note("watch.begins", person=found["person_login"], device=found["device_name"])
            window.show(lines)
    except KeyboardInterrupt:
        pass
    finally:
        if not as_json:
            _paint(RESTORE if sys.stdout.isatty() else "\n")
    if window.end is None:
        desk.note("watch.left")
    else:
        desk.note_line(window.end["sentence"] or desk.say(f"watch.end.{window.end['why']}"))


def _paint(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@group.command("cut", epilog='Example: ecluse sessions cut 8c1d --reason "Arrêt demandé par le service"')
def cut(
    context: typer.Context,
    reason: Why,
    session: Annotated[
        str | None, typer.Argument(help="One session: its identifier, or its first digits.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Every session of this person.")] = None,
    supplier: Annotated[str | None, typer.Option(help="Every session of this supplier.")] = None,
    device: Annotated[str | None, typer.Option(help="Every session on this device.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every session of the hospital.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut sessions at once: one, or all of a person, a supplier, a device, or every one."""
    desk = Desk.of(context, as_json)
    if sum(choice is not None for choice in (session, person, supplier, device)) + everything != 1:
        raise typer.BadParameter(
            "give one session, or one of these options",
            param_hint="SESSION, --person, --supplier, --device, --all",
        )
    if session is not None:
        found = names.session(desk.client, session)
        done = desk.client.post(f"/v1/sessions/{found['id']}/cut", {"reason": reason})
    else:
        proof = {"code": desk.fresh_code()} if everything else {}
        scope = _scope(desk, person, supplier, device)
        done = desk.client.post("/v1/cuts", {**scope, **proof, "reason": reason})
    key = (
        "sessions.cut_everything"
        if everything
        else "sessions.cut"
        if done["sessions"]
        else "sessions.cut_none"
    )
    desk.done(done, key)


@group.command("reopen", epilog='Example: ecluse sessions reopen --reason "Fin de la crise"')
def reopen(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="The journal keeps it.")],
    as_json: AsJson = False,
) -> None:
    """Let people in again after a general cut, as their windows say."""
    desk = Desk.of(context, as_json)
    desk.done(desk.client.post("/v1/reopen", {"reason": reason}), "sessions.reopened")


def _scope(desk: Desk, person: str | None, supplier: str | None, device: str | None) -> Json:
    if person is not None:
        return {"scope": "person", "target": names.person(desk.client, person)["id"]}
    if supplier is not None:
        return {"scope": "supplier", "target": names.supplier(desk.client, supplier)["id"]}
    if device is not None:
        return {"scope": "device", "target": names.device(desk.client, device)["id"]}
    return {"scope": "all", "target": ""}
