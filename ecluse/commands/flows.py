"""``ecluse flows``: the flow matrix, and the probe that looks for ways around the bastion."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.commands.config import load
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable
from ecluse.flows.matrix import as_csv, as_nftables, matrix, rows
from ecluse.flows.probe import probe as tried
from ecluse.flows.probe import read_place, targets
from ecluse.flows.request import Place
from ecluse.tables import Column, whole

if TYPE_CHECKING:
    from ecluse.settings import Settings
    from recorder.seal.signing import SigningKey

group = typer.Typer(
    no_args_is_help=True, help="Which machine reaches which: the matrix, and the proof of it."
)

STANDARD_INPUT = Path("-")


class Form(StrEnum):
    """How the matrix is printed."""

    TABLE = "table"
    CSV = "csv"
    NFTABLES = "nftables"


@group.command("export", epilog="Example: ecluse flows export --format csv")
def export(
    context: typer.Context,
    form: Annotated[
        Form, typer.Option("--format", help="For people, a spreadsheet, or a firewall.")
    ] = Form.TABLE,
    as_json: AsJson = False,
) -> None:
    """Print the flow matrix. With --json it is the flow broker's register, and what the probe reads."""
    desk = Desk.of(context, as_json)
    client = desk.client
    made = matrix(
        client.get("/v1/me")["hospital"],
        client.items("/v1/devices"),
        client.items("/v1/zones"),
        client.items("/v1/suppliers"),
        client.get("/v1/ssh"),
    )
    if form is Form.TABLE or as_json:
        columns = (
            *whole("field.direction", "field.source"),
            Column("field.from"),
            *whole("field.address"),
            Column("field.to"),
            *whole("field.port"),
            Column("field.when"),
        )
        shown = [
            (
                desk.word("flows.direction", row[0]),
                *row[1:6],
                desk.word("flows.when", str(row[8]).replace(" ", "-")),
            )
            for row in rows(made)
        ]
        desk.show_table(columns, shown, made.document())
    else:
        sys.stdout.write(as_csv(made) if form is Form.CSV else as_nftables(made))
    unbound = sorted({flow.zone for flow in made.flows if flow.source is None})
    if unbound:
        desk.note("flows.unbound", zones=", ".join(unbound))


@group.command(
    "probe",
    epilog="Example: ecluse flows probe --matrix flows.json --vantage imagix-lyon --key probe.pem --expect 192.0.2.10:22",
)
def probe(
    context: typer.Context,
    matrix_file: Annotated[Path, typer.Option("--matrix", help="What 'flows export --json' printed.")],
    vantage: Annotated[str, typer.Option("--vantage", help="A name for where this machine stands.")],
    expect: Annotated[
        list[str],
        typer.Option("--expect", metavar="ADDRESS:PORT", help="The bastion's door, which must answer."),
    ],
    key: Annotated[
        Path | None,
        typer.Option("--key", help="What 'flows keys new' made; unsigned, 'flows report' takes no result."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also", metavar="ADDRESS:PORT", help="Another place that must not answer; repeat for several."
        ),
    ] = None,
    port: Annotated[
        list[int] | None,
        typer.Option(
            "--port", min=1, max=65535, help="Tried on each of these addresses too; repeat for several."
        ),
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="The zone this machine stands in; its devices are not tried.")
    ] = None,
    rejects: Annotated[
        bool,
        typer.Option(
            "--rejects", help="A firewall on the way refuses for the devices: a refusal is no answer."
        ),
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.1, max=30, help="How long each place is waited for.")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Try from here what must not answer, and nothing else. Needs no log-in. Exit 1 where something answers (T1).

    Run it on a machine of a supplier's network, and on one in each zone; give its signed JSON to 'flows report'.
    """
    desk = Desk.of(context, as_json)
    doors, others = _places(expect, "--expect"), _places(also or [], "--also")
    document = _read(matrix_file)
    signing = _signing(key, document, matrix_file)
    try:
        unwanted = targets(document, doors, others, port or [], zone)
    except ValueError as error:
        raise FileUnusable("flows.no_matrix", path=str(matrix_file), why=str(error)) from error
    begun = datetime.now(UTC)
    found = asyncio.run(tried(doors, unwanted, seconds))
    refused = () if rejects else found.refused
    result: dict[str, Any] = {
        "vantage": vantage,
        "at": begun.isoformat(timespec="microseconds"),
        "tried": found.tried,
        "answered": [one.shown for one in found.answered],
        "refused": [one.shown for one in refused],
        "missing": [one.shown for one in found.missing],
    }
    if signing is not None:
        result = _signed(result, begun, document, signing)
    outcomes = (("open", found.answered), ("refused", refused), ("missing", found.missing))
    known = {flow["address"]: flow.get("device") for flow in document["flows"]}
    table = [
        (one.shown, known.get(one.address), desk.word("flows.outcome", name))
        for name, ones in outcomes
        for one in ones
    ]
    if table or as_json:
        desk.show_table(
            (*whole("field.address"), *whole("field.device"), Column("field.outcome")), table, result
        )
    if found.answered or refused:
        desk.note("flows.bypass", count=len(found.answered) + len(refused), vantage=vantage)
    if found.missing:
        desk.note("flows.unproved")
    if found.answered or refused or found.missing:
        raise typer.Exit(1)
    desk.tell("flows.clean", tried=found.tried, vantage=vantage)


@group.command("report", epilog="Example: ecluse flows report probe.json")
def report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What 'flows probe --json' printed; - for standard input.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="On the console's machine, without a log-in: its settings. For timers.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a probe's signed result into the journal; what answered raises the alarm T1, and a clean probe ends it.

    Refused: unsigned, by another key than its vantage's, of another hospital, or not newer than the newest one.
    """
    desk = Desk.of(context, as_json)
    document = _read(file)
    if config is None:
        answer = desk.client.post("/v1/flows/probes", document)
    else:
        answer = asyncio.run(_journalled(load(config), _checked(document, file)))
    key = "flows.reported_bypass" if answer["bypass"] else "flows.reported"
    desk.done(answer, key if answer["bypass"] or answer["proved"] else "flows.reported_unproved")


async def _journalled(settings: "Settings", document: dict[str, Any]) -> dict[str, Any]:
    """Write the entry that the API would, as the console's database user. Raises what the API would refuse it for."""
    from admin_api.probes import PROBED, taken
    from admin_api.registered_keys import RegisteredKeys
    from admin_api.v1.flows import ProbeOut
    from ecluse.local_acts import PROGRAM, journalled
    from ecluse.sections import Part
    from policy.clock import SystemClock
    from recorder.audit.journal import Journal
    from recorder.store.database import Database

    clock = SystemClock()
    database = Database(settings.trace_url(Part.CONSOLE))
    try:
        await database.check()
        journal = Journal(database, node="reading", now=clock.now)
        keys = RegisteredKeys(settings.probe_keys)
        facts = await taken(document, journal, settings.hospital_id, keys, clock.now())
    finally:
        await database.dispose()
    await journalled(settings, PROBED, facts, actor=PROGRAM, chain="probe", part=Part.CONSOLE)
    return ProbeOut.of(facts, clock.now()).model_dump(mode="json")


def _signing(key: Path | None, document: dict[str, Any], matrix_file: Path) -> "SigningKey | None":
    """Return the key to sign by; raises FileUnusable where the matrix does not say whose it is, SignatureInvalid."""
    from recorder.seal.signing import SigningKey

    if key is None:
        return None
    if "hospital_id" not in document:
        raise FileUnusable(
            "flows.no_matrix", path=str(matrix_file), why="it is of an earlier version: hospital_id"
        )
    return SigningKey.load(key)


def _signed(
    result: dict[str, Any], begun: datetime, document: dict[str, Any], key: "SigningKey"
) -> dict[str, Any]:
    from admin_api.probes import FORMAT, PURPOSE, VERSION
    from recorder.seal import documents
    from recorder.trace import instants

    about = {"format": FORMAT, "version": VERSION, "hospital_id": document["hospital_id"]}
    content = {**result, **about, "at": instants.text(begun)}
    return dict(json.loads(documents.signed(content, PURPOSE, key)))


def _checked(document: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return *document* as it is, once its form is that of a signed result; raises FileUnusable."""
    from pydantic import ValidationError

    from admin_api.v1.flows import ProbeIn

    try:
        ProbeIn.model_validate(document)
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise FileUnusable("flows.no_probe", path=str(file), why=why) from error
    return document


def _places(texts: list[str], option: str) -> list[Place]:
    try:
        return [read_place(text) for text in texts]
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}: write ADDRESS:PORT, an IPv6 address in brackets", param_hint=option
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in *path*; raises FileUnusable."""
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise FileUnusable("flows.unreadable", path=str(path), why=str(error)) from error
    if not isinstance(found, dict):
        raise FileUnusable("flows.unreadable", path=str(path), why="no JSON object")
    return found
