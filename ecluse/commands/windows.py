"""``ecluse windows``: plan, approve, and change the only times at which access may open (rule O3)."""

from typing import Annotated

import typer

from ecluse import moments, names, planning
from ecluse.client import Json
from ecluse.commands.interventions import kind_of
from ecluse.desk import AsJson, Desk
from ecluse.tables import Column, whole
from policy.clock import SystemClock

group = typer.Typer(no_args_is_help=True, help="Intervention windows.")

Id = Annotated[str, typer.Argument(help="Identifier of the window, or its first digits.")]
Why = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]
Start = Annotated[
    str, typer.Option(metavar="YYYY-MM-DD HH:MM|now", help="On the hospital's own clock; now: this minute.")
]
End = Annotated[
    str,
    typer.Option(
        metavar="[YYYY-MM-DD ]HH:MM|+90m|+2h", help="The end, or how long; it is not part of the window."
    ),
]
Fold = Annotated[
    str | None,
    typer.Option(
        metavar="first|second", help="Which one, where the clocks change and the time exists twice."
    ),
]
Shift = Annotated[
    bool, typer.Option("--shift", help="Where the time does not exist that night: move it forward.")
]
Rule = Annotated[
    str | None, typer.Option("--rrule", metavar="RULE", help='RFC 5545, such as "FREQ=WEEKLY;BYDAY=TU".')
]
Exceptions = Annotated[
    list[str] | None, typer.Option("--except", metavar="DATE", help="A day left out; repeat.")
]
Occurrence = Annotated[
    str | None,
    typer.Option("--occurrence", help="Which opening; by default the one open now, else the next."),
]


@group.command(
    "plan",
    epilog='Example: ecluse windows plan --supplier Imagix --person alice --device scan01 --start "2026-11-23 20:00" '
    '--end 22:00 --channel shell --channel sftp-up --purpose "Mise à jour 4.2" --kind maintenance',
)
def plan(
    context: typer.Context,
    person: Annotated[list[str], typer.Option(help="Who may come; repeat for several.")],
    start: Start,
    end: End,
    purpose: Annotated[str, typer.Option(help="What it is for: the technician reads it.")],
    channel: Annotated[
        list[str] | None, typer.Option(metavar="shell|exec|sftp-up|sftp-down", help="Repeat for several.")
    ] = None,
    forward: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT[=LABEL]", help="A port of the device to reach by ssh -L; repeat."),
    ] = None,
    supplier: Annotated[str | None, typer.Option(help="Supplier of the intervention.")] = None,
    kind: Annotated[str, typer.Option(metavar="monitoring|maintenance|assistance")] = "maintenance",
    intervention: Annotated[
        str | None,
        typer.Option(help="Instead of supplier and kind: an intervention's id, or its first digits."),
    ] = None,
    device: Annotated[list[str] | None, typer.Option(help="On what; repeat for several.")] = None,
    in_group: Annotated[
        list[str] | None, typer.Option("--group", help="On every device of this group.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Dedicated account, where a device has several.")
    ] = None,
    rrule: Rule = None,
    except_: Exceptions = None,
    idle: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Silence after which the session is cut.")
    ] = None,
    output_counts: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="Let the device's output count as activity, up to this long."),
    ] = None,
    outage_grace: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            help="How long a session outlasts an unreachable trace store: 60 where nothing is said, at most 14400.",
        ),
    ] = None,
    level: Annotated[
        str | None, typer.Option(metavar="standard|high", help="What a log-in must reach (`factors list`).")
    ] = None,
    start_fold: Fold = None,
    end_fold: Fold = None,
    shift: Shift = False,
    as_json: AsJson = False,
) -> None:
    """Plan a window. It opens nothing before somebody else approves it."""
    desk = Desk.of(context, as_json)
    client = desk.client
    body: Json = {
        "people": [names.person(client, login)["id"] for login in person],
        "devices": [names.device(client, name)["id"] for name in device or ()],
        "groups": in_group or [],
        "account": account,
        "channels": channel or [],
        "forwards": [planning.forward(text) for text in forward or ()],
        "purpose": purpose,
        **_times(desk, start, end, rrule, except_, start_fold, end_fold, shift),
    }
    if intervention is not None:
        body["intervention_id"] = names.intervention(client, intervention)["id"]
    else:
        if supplier is None:
            raise typer.BadParameter("name the supplier, or the intervention", param_hint="--supplier")
        body |= {"kind": kind_of(kind), "supplier_id": names.supplier(client, supplier)["id"]}
    if level is not None:
        body["level"] = level
    if outage_grace is not None:
        body["outage_grace_seconds"] = outage_grace
    if idle is not None or output_counts is not None:
        body["idle"] = {
            "limit_seconds": idle if idle is not None else 600,
            "output_counts": output_counts is not None,
            "ceiling_seconds": output_counts,
        }
    _show_planned(desk, client.post("/v1/windows", body), "windows.planned")


@group.command("approve", epilog="Example: ecluse windows approve 3f2a")
def approve(
    context: typer.Context,
    window: Id,
    version: Annotated[
        int | None, typer.Option(min=1, help="The version you looked at; refused where it changed since.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Approve a window that somebody else asked for."""
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    body = {"version": version if version is not None else found["version"]}
    _show_planned(desk, desk.client.post(f"/v1/windows/{found['id']}/approve", body), "windows.approved")


@group.command("requests", epilog="Example: ecluse windows requests")
def requests(context: typer.Context, as_json: AsJson = False) -> None:
    """List the windows that wait for an answer: who asks, for whom, on what, when, with which rights, and why."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/windows", state="planned"))
    people, devices = names.people_by_id(desk.client), names.devices_by_id(desk.client)
    rows = [
        (
            item["id"][:8],
            people.get(item["requested_by"], item["requested_by"]),
            [people.get(key, key) for key in item["people"]],
            _span(item["occurrences"][0]) if item["occurrences"] else None,
            [*(devices.get(key, key) for key in item["devices"]), *(f"@{name}" for name in item["groups"])],
            _rights(item),
            item["purpose"],
        )
        for item in found
    ]
    columns = (
        *whole("field.digits"),
        *(Column(f"field.{noun}") for noun in ("requested_by", "people", "next", "object", "rights", "why")),
    )
    desk.show_table(columns, rows, found)


@group.command("refuse", epilog='Example: ecluse windows refuse 3f2a --reason "Le bloc est en service"')
def refuse(
    context: typer.Context,
    window: Id,
    reason: Annotated[str, typer.Option("--reason", help="Who asked for the window reads it.")],
    as_json: AsJson = False,
) -> None:
    """Refuse a window that somebody else asked for; she reads why."""
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    body = {"version": found["version"], "reason": reason}
    answer = desk.client.post(f"/v1/windows/{found['id']}/refuse", body)
    _show_planned(desk, answer, "windows.refused")


@group.command("cancel", epilog='Example: ecluse windows cancel 3f2a --reason "Reportée"')
def cancel(context: typer.Context, window: Id, reason: Why, as_json: AsJson = False) -> None:
    """Cancel a window; a session in it is cut."""
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    answer = desk.client.post(f"/v1/windows/{found['id']}/cancel", {"reason": reason})
    _show_planned(desk, answer, "windows.cancelled")


@group.command("move", epilog='Example: ecluse windows move 3f2a --start "2026-11-24 20:00" --end 22:00')
def move(
    context: typer.Context,
    window: Id,
    start: Start,
    end: End,
    rrule: Rule = None,
    except_: Exceptions = None,
    start_fold: Fold = None,
    end_fold: Fold = None,
    shift: Shift = False,
    as_json: AsJson = False,
) -> None:
    """Move a window to other times; it must be approved again, by somebody else than you."""
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    body = {
        "version": found["version"],
        **_times(desk, start, end, rrule, except_, start_fold, end_fold, shift),
    }
    _show_planned(desk, desk.client.post(f"/v1/windows/{found['id']}/move", body), "windows.moved")


@group.command("extend", epilog="Example: ecluse windows extend 3f2a --minutes 30")
def extend(
    context: typer.Context,
    window: Id,
    minutes: Annotated[int, typer.Option(min=1, help="How many minutes to add.")],
    occurrence: Occurrence = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="You asked for the window: ask somebody else to decide.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="With --ask: why, for who decides.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put off the end of a window, while it is open or before. Who asked for it cannot alone."""
    if not ask:
        _stretch(context, window, "extend", "windows.extended", minutes, occurrence, as_json)
        return
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    body = {"minutes": minutes, "occurrence_id": occurrence}
    asked = desk.client.post(f"/v1/windows/{found['id']}/extensions", {**body, "reason": reason or ""})
    desk.done(asked, "windows.extension_asked", id=found["id"][:8], extension=asked["id"][:8])


@group.command("shorten", epilog="Example: ecluse windows shorten 3f2a --minutes 30")
def shorten(
    context: typer.Context,
    window: Id,
    minutes: Annotated[int, typer.Option(min=1, help="How many minutes to take off.")],
    occurrence: Occurrence = None,
    as_json: AsJson = False,
) -> None:
    """Bring the end of a window forward, while it is open or before."""
    _stretch(context, window, "shorten", "windows.shortened", minutes, occurrence, as_json)


@group.command("list", epilog="Example: ecluse windows list --from 2026-11-23 --to 2026-11-30")
def list_(
    context: typer.Context,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="On the hospital's clock; default: now.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="On the hospital's clock; default: in 30 days.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the windows that are open or will open."""
    desk = Desk.of(context, as_json)
    found = list(
        desk.client.items("/v1/windows", from_=desk.instant(from_, "--from"), to=desk.instant(to, "--to"))
    )
    people, devices = names.people_by_id(desk.client), names.devices_by_id(desk.client)
    rows = [
        (
            item["id"][:8],
            desk.say(f"window.{item['state']}"),
            _span(item["occurrences"][0]) if item["occurrences"] else None,
            [people.get(key, key) for key in item["people"]],
            [*(devices.get(key, key) for key in item["devices"]), *(f"@{name}" for name in item["groups"])],
            _rights(item),
            item["purpose"],
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.state", "field.next"),
        *(Column(f"field.{noun}") for noun in ("people", "object")),
        Column("field.rights", wide=True),
        Column("field.purpose"),
    )
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse windows show 3f2a")
def show(context: typer.Context, window: Id, as_json: AsJson = False) -> None:
    """Show one window and its openings."""
    desk = Desk.of(context, as_json)
    _show_window(desk, names.window(desk.client, window))


def _stretch(
    context: typer.Context,
    window: str,
    verb: str,
    key: str,
    minutes: int,
    occurrence: str | None,
    as_json: bool,
) -> None:
    desk = Desk.of(context, as_json)
    found = names.window(desk.client, window)
    body = {"minutes": minutes, "occurrence_id": occurrence}
    _show_planned(desk, desk.client.post(f"/v1/windows/{found['id']}/{verb}", body), key)


def _show_planned(desk: Desk, answer: Json, key: str) -> None:
    if desk.as_json:
        desk.show_json(answer)
        return
    desk.tell(key, id=answer["window"]["id"][:8])
    _show_window(desk, answer["window"])
    for warning in answer["warnings"]:
        desk.note("windows.warning", message=warning["message"])


def _show_window(desk: Desk, item: Json) -> None:
    if desk.as_json:
        desk.show_json(item)
        return
    people, devices = names.people_by_id(desk.client), names.devices_by_id(desk.client)
    openings = [_span(occurrence) for occurrence in item["occurrences"]]
    fields = [
        ("field.id", item["id"]),
        ("field.state", desk.say(f"window.{item['state']}")),
        ("field.people", [people.get(key, key) for key in item["people"]]),
        ("field.devices", [*(devices.get(key, key) for key in item["devices"]), *item["groups"]]),
        ("field.account", item["account"]),
        ("field.channels", item["channels"]),
        ("field.forwards", [_port(forward) for forward in item["forwards"]]),
        ("field.outage_grace", desk.say("windows.grace", seconds=item["outage_grace_seconds"])),
        ("field.purpose", item["purpose"]),
        ("field.rule", item["rule"]),
        ("field.openings", openings[:12]),
        ("field.requested_by", people.get(item["requested_by"], item["requested_by"])),
        ("field.version", item["version"]),
        ("field.approved_by", people.get(item["approved_by"] or "", item["approved_by"])),
        ("field.answer", item["answer"]),
    ]
    desk.show_record(fields, item)


def _rights(item: Json) -> list[str]:
    """Return all that a window lets its people do: its channels, and the ports of ``ssh -L``."""
    return [*item["channels"], *(f"-L {_port(forward)}" for forward in item["forwards"])]


def _port(forward: Json) -> str:
    label = forward["label"]
    return str(forward["port"]) if label is None else f"{forward['port']} ({label})"


def _span(occurrence: Json) -> str:
    start, end = str(occurrence["start_local"]), str(occurrence["end_local"])
    return moments.span(start, end)


def _times(
    desk: Desk,
    start: str,
    end: str,
    rrule: str | None,
    except_: list[str] | None,
    start_fold: str | None,
    end_fold: str | None,
    shift: bool,
) -> Json:
    desk.options = planning.OPTIONS
    opening = planning.opening(
        start, end, start_fold, end_fold, lambda: SystemClock().now().astimezone(desk.zone)
    )
    times: Json = {**opening, "shift": shift}
    if rrule is not None:
        left_out = [planning.exception(day, times["start"]) for day in except_ or ()]
        times["recurrence"] = {"rule": rrule, "exceptions": left_out}
    elif except_:
        raise typer.BadParameter("only a recurring window has days left out", param_hint="--except")
    return times
