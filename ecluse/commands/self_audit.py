"""``ecluse self-audit``: this machine audited, the report of it signed, kept, shown and verified."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError, FileUnusable, MachineError
from ecluse.tables import Column, whole

if TYPE_CHECKING:
    from admin_api.selfaudit.report import Report
    from ecluse.selfaudit.conduct import Told
    from ecluse.settings import Settings
    from recorder.seal.signing import PublicKey

All = Annotated[bool, typer.Option("--all", help="Show as well what is as it should be.")]
group = typer.Typer(
    no_args_is_help=True, help="The self-audit of this machine: a signed report of what it found (T4)."
)

FAILED = 1
NOT_CLEAN = 3


@group.command(
    "run",
    epilog="Example: ecluse self-audit run --config /etc/ecluse/ecluse.toml --out audit.json\n\n"
    "Exit status: 0 clean, 1 something must be mended, 3 nothing must but not all is as it should be, or could be looked at.",
)
def run(
    context: typer.Context,
    config: ConfigOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the signed report here as well.")] = None,
    nightly: Annotated[bool, typer.Option("--nightly", help="Say in the report that a timer asked.")] = False,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Audit this machine now: its SSH and TLS, what listens, permissions, journal, probes, advisories, clock, and doctor.

    As root: it looks at what both programs' users can reach. The report is signed and goes into the journal.
    """
    from ecluse.selfaudit.memory import remember
    from ecluse.selfaudit.signers import own_key
    from recorder.errors import JournalBroken
    from recorder.seal.files import write_new
    from recorder.seal.signing import SigningKey

    desk, settings = Desk.of(context, as_json), load(config)
    place = own_key(settings)
    if not place.exists():
        raise MachineError("self_audit.no_key", path=str(place))
    key = SigningKey.load(place)
    if out is not None and out.exists():
        raise FileUnusable("file.exists", path=str(out))
    with parts_told(desk) as tell:
        report, before = asyncio.run(_audited(settings, "nightly" if nightly else "asked", tell))
    document = report.signed(key)
    if out is not None:
        try:
            write_new(out, document, 0o644)
        except OSError as error:
            raise FileUnusable("file.unwritable", path=str(out), why=error.strerror) from error
    try:
        asyncio.run(_journalled(settings, report, document, before))
    except JournalBroken as error:
        show_report(desk, report, document, all_)
        raise EcluseError("self_audit.not_kept", why=str(error)) from error
    show_report(desk, report, document, all_)
    if settings.console.elsewhere:
        try:
            remember(settings, document)
        except OSError as error:
            raise FileUnusable(
                "file.unwritable", path=str(settings.run_directory), why=error.strerror
            ) from error
    raise typer.Exit(exit_status(report))


@group.command("list", epilog="Example: ecluse self-audit list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the audits of all machines, the newest first; below, whether rule T4 holds."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/self-audits")
    rows = [
        (
            one["id"],
            desk.moment(one["made_at"]),
            one["node"],
            desk.word("audited", one["outcome"]) if one["believed"] else desk.say("self_audit.unbelieved"),
            one["failures"],
            one["undone"],
            one["notices"],
        )
        for one in found["items"]
    ]
    columns = (
        *whole("field.id", "field.at", "field.node", "field.outcome"),
        *whole("field.failures", "field.undone", "field.notices"),
    )
    desk.show_table(columns, rows, found, empty="self_audit.none")
    if found["overdue"]:
        desk.note("self_audit.overdue")
    if found["silent"]:
        desk.note("self_audit.silent", machines=", ".join(found["silent"]))


@group.command("show", epilog="Example: ecluse self-audit show --save audit-2026-11-29.json")
def show(
    context: typer.Context,
    audit: Annotated[str | None, typer.Argument(help="Its id; unset, the newest one.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the signed report, for whoever shall verify it.")
    ] = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Show an audit: what was found in each part, and what to do next."""
    from recorder.seal.files import write_new

    desk = Desk.of(context, as_json)
    if audit is None:
        items = [one for one in desk.client.get("/v1/self-audits")["items"] if one["believed"]]
        if not items:
            raise EcluseError("self_audit.none")
        audit = str(items[0]["id"])
    found = desk.client.get(f"/v1/self-audits/{audit}")
    if save is not None:
        try:
            write_new(save, (found["document"]).encode(), 0o644)
        except OSError as error:
            raise FileUnusable("file.unwritable", path=str(save), why=error.strerror) from error
    _table(desk, [(part["part"], one) for part in found["parts"] for one in part["checks"]], found, all_)
    desk.tell(
        "self_audit.outcome", outcome=desk.word("audited", found["outcome"]), at=desk.moment(found["made_at"])
    )


@group.command(
    "verify",
    epilog="Example: ecluse self-audit verify audit.json --key checkpoint-signing.pem.pub --within 30",
)
def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The signed report.")],
    key: Annotated[Path, typer.Option("--key", help="Public key of the checkpoints, kept elsewhere.")],
    within: Annotated[
        int | None, typer.Option("--within", min=1, metavar="DAYS", help="Refuse a report that is older.")
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            "--after", help="A report seen before: this one must be of the same machine, and later."
        ),
    ] = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Verify a report by its public key alone, without the bastion: who signed it, when, and what it says."""
    from datetime import UTC, datetime, timedelta

    from admin_api.selfaudit.report import digest
    from recorder.seal.signing import PublicKey

    desk, known = Desk.of(context, as_json), PublicKey.load(key)
    document = _read(file)
    report = _opened(file, document, known)
    age = datetime.now(UTC) - report.made_at
    if within is not None and age > timedelta(days=within):
        raise FileUnusable("self_audit.old", path=str(file), days=age.days, within=within)
    follows: bool | None = None
    if after is not None:
        seen = _read(after)
        earlier = _opened(after, seen, known)
        if (earlier.hospital_id, earlier.node) != (report.hospital_id, report.node):
            raise FileUnusable(
                "self_audit.other_machine", path=str(file), node=report.node, other=earlier.node
            )
        if report.made_at <= earlier.made_at:
            raise FileUnusable(
                "self_audit.not_later", path=str(file), at=report.made_at, other=earlier.made_at
            )
        follows = report.previous is not None and report.previous.sha256 == digest(seen)
    show_report(desk, report, document, all_, follows=follows)
    facts = {"node": report.node, "machine": report.machine, "at": report.made_at, "signer": known.key_id}
    desk.tell("self_audit.verified", **facts)


@group.command(
    "report", epilog="Example: ecluse self-audit report front.json --config /etc/ecluse/ecluse.toml"
)
def report_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The signed report, as it was fetched.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Put the report of a machine that has no way to the journal into it: that of the two-tier lock's front.

    On the console's machine, within six hours of the audit. Refused: by another key than the one registered for that
    machine, of another hospital, dated ahead, or not later than the newest one.
    """
    desk, settings = Desk.of(context, as_json), load(config)
    report = asyncio.run(_taken(settings, file))
    shown = {"audit": report.id, "node": report.node, "outcome": report.outcome.value}
    desk.done(
        shown, "self_audit.reported", node=report.node, outcome=desk.word("audited", report.outcome.value)
    )


async def _taken(settings: "Settings", file: Path) -> "Report":
    """Write the entry of the report in *file*, as the console's database user. Raises EcluseError, RecorderError."""
    from admin_api.selfaudit import history
    from ecluse.local_acts import PROGRAM, journalled
    from ecluse.sections import Part
    from ecluse.selfaudit.front import NOBODYS
    from ecluse.selfaudit.signers import known
    from policy.clock import SystemClock
    from recorder.audit.journal import Journal
    from recorder.store.database import Database

    clock, keys = SystemClock(), known(settings)
    registered = map(keys.machines.of, keys.machines.names())
    document = _read(file)
    report = _opened(file, document, *(key for key in registered if key is not None))
    ours = report.hospital_id in {NOBODYS, settings.hospital_id}
    own = keys.of(report.node) if ours else ()
    _opened(file, document, *own)  # by that machine's own key, and no other's
    age = clock.now() - report.finished_at
    if not -history.CLOCKS <= age <= history.TOLD_LATE:
        raise FileUnusable("self_audit.too_late", path=str(file), at=report.finished_at)
    database = Database(settings.trace_url(Part.CONSOLE))
    try:
        await database.check()
        journal = Journal(database, node="reading", now=clock.now)
        before = await history.latest(journal, settings.hospital_id, keys, report.node)
    finally:
        await database.dispose()
    if before is not None and before[1].made_at >= report.made_at:
        raise FileUnusable("self_audit.not_later", path=str(file), at=report.made_at, other=before[1].made_at)
    facts = history.facts(report, document, None if before is None else before[1])
    await journalled(settings, history.MADE, facts, actor=PROGRAM, chain="self-audit", part=Part.CONSOLE)
    return report


def _read(file: Path) -> bytes:
    from admin_api.selfaudit.report import LARGEST

    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        raise FileUnusable("file.unreadable", path=str(file)) from error


def _opened(file: Path, document: bytes, *keys: "PublicKey") -> "Report":
    """Return the report in *document*, which was read from *file*, if one of *keys* signed it."""
    from admin_api.selfaudit.report import Report
    from recorder.errors import SignatureInvalid, TraceFormatError

    try:
        return Report.opened(document, keys)[0]
    except (SignatureInvalid, TraceFormatError) as error:
        raise FileUnusable("self_audit.not_genuine", path=str(file), why=str(error)) from error


async def _audited(settings: "Settings", occasion: str, tell: "Told") -> "tuple[Report, Report | None]":
    """Return the report, and the one before of this machine; None where nothing tells of it, or can be read."""
    from admin_api.selfaudit.report import Predecessor
    from ecluse.selfaudit.conduct import audit, last_of
    from policy.clock import SystemClock

    clock = SystemClock()
    last = await last_of(settings, clock)
    previous = None if last is None else Predecessor(last[0].id, last[1])
    report = await audit(settings, clock, occasion=occasion, previous=previous, tell=tell)
    return report, None if last is None else last[0]


async def _journalled(
    settings: "Settings", report: "Report", document: bytes, before: "Report | None"
) -> None:
    from admin_api.selfaudit.history import MADE, facts
    from ecluse.local_acts import PROGRAM, journalled, system_user

    actor = PROGRAM if report.occasion == "nightly" else system_user()
    await journalled(settings, MADE, facts(report, document, before), actor=actor, chain="self-audit")


def exit_status(report: "Report") -> int:
    """Return the code that the command ends with."""
    from admin_api.selfaudit.report import Outcome

    return {Outcome.GOOD: 0, Outcome.FAILED: FAILED}.get(report.outcome, NOT_CLEAN)


def show_report(
    desk: Desk, report: "Report", document: bytes, everything: bool, *, follows: bool | None = None
) -> None:
    """Write what the *report* says, of which *document* is the signed form."""
    import json

    shown = json.loads(document)
    if follows is not None:
        shown = {**shown, "follows": follows}
    pairs: list[tuple[str, dict[str, Any]]] = [
        (part.part, one.document()) for part in report.parts for one in part.checks
    ]
    _table(desk, pairs, shown, everything)
    if not desk.as_json:
        counts = {level: len(report.checks(level)) for level in type(report.outcome)}
        desk.tell("self_audit.counts", **{level.value: count for level, count in counts.items()})


def _table(desk: Desk, pairs: list[tuple[str, dict[str, Any]]], document: object, everything: bool) -> None:
    """Write what was found, the worst first; what is as it should be only where all is asked for."""
    from ecluse.diagnosis.symptom import MARKS, Level

    order = (Level.FAILED, Level.UNDONE, Level.NOTICE, *((Level.GOOD,) if everything else ()))
    rows = [
        (
            MARKS[level],
            desk.word("audit_part", part),
            _in_words(desk, one["check"], one["arguments"], one["subject"]),
            _in_words(desk, one["finding"], one["arguments"], one["sentence"]),
            _in_words(desk, f"{one['finding']}.remedy", one["arguments"], one["remedy"]) or None,
        )
        for level in order
        for part, one in pairs
        if Level(one["level"]) is level
    ]
    columns = ("doctor.level", Column("field.part"), "doctor.subject", "doctor.sentence", "doctor.remedy")
    desk.show_table(columns, rows, document, empty="self_audit.clean")


def _in_words(desk: Desk, key: str, arguments: dict[str, Any], english: str) -> str:
    """Return a sentence of the report in the desk's language; as the report has it where this version lacks it."""
    from admin_api.selfaudit.words import worded
    from ecluse.wording import detailed
    from policy import i18n

    return worded(key, detailed(arguments, desk.language), english, desk.language, [i18n.load("ecluse")])


@contextmanager
def parts_told(desk: Desk) -> "Iterator[Told]":
    """Show which part is under way on standard error, where a person looks at it."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from ecluse.progress import progress

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with progress(*columns) as bars:
        task = bars.add_task("", total=None)
        yield lambda part, done, of: bars.update(
            task, description=str(desk.word("audit_part", part)), completed=done, total=of
        )
