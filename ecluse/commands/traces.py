"""``ecluse traces``: what was recorded. Each reading needs a reason, which the journal keeps."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ecluse import moments, names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable, RecordingUnusable
from ecluse.escrow import reader_key as reader_key_of
from ecluse.keyboard import Keyboard
from ecluse.moments import Since, Until
from ecluse.pieces import Pieces, unpack, watched
from ecluse.playback import RESTORE, Pace, Quit, play
from ecluse.proving import Anchors, verify_store
from ecluse.tables import Column, data_size, whole
from ecluse.viewing import Viewing, narrator
from recorder.errors import RecorderError
from recorder.replay import asciicast, events, transcript
from recorder.replay.reader import TraceReader, read_manifest, verify
from recorder.seal.signing import PublicKey

group = typer.Typer(no_args_is_help=True, help="Traces of sessions: list, replay, export, verify.")

Trace = Annotated[
    str, typer.Argument(help="Identifier or its first digits, or the path of an exported trace.")
]
ReaderKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--reader-key",
        help="Open sealed files at hand by this private key, whose passphrase is asked for; the API has its own.",
    ),
]
Why = Annotated[str | None, typer.Option("--reason", help="Why you read it: the journal keeps it.")]
_BROKEN = 1


@group.command("list", epilog="Example: ecluse traces list --person alice --limit 20")
def list_(
    context: typer.Context,
    person: Annotated[str | None, typer.Option(help="Only those of this person.")] = None,
    device: Annotated[str | None, typer.Option(help="Only those on this device.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the traces, the newest first."""
    desk = Desk.of(context, as_json)
    query = {
        "person_id": names.person(desk.client, person)["id"] if person else None,
        "device_id": names.device(desk.client, device)["id"] if device else None,
        "from": desk.instant(since, "--from"),
        "to": desk.instant(until, "--to"),
    }
    found = list(desk.client.items("/v1/traces", at_most=limit, **query))
    rows = [
        (
            item["id"][:8],
            desk.moment(item["started"]),
            moments.lasted(item["started"], item["ended"]),
            item["person_login"],
            item["device_name"],
            item["account_name"],
            item["purpose"],
            data_size(item["size"], desk.language),
            _ended(desk, item),
        )
        for item in found
    ]
    columns = (
        *whole("field.digits", "field.started"),
        Column("field.duration", whole=True, number=True),
        *whole("field.person", "field.device"),
        Column("field.account", whole=True, wide=True),
        Column("field.purpose", cut=True),
        Column("field.size", whole=True, number=True, wide=True),
        *whole("field.reason"),
    )
    desk.show_table(columns, rows, found)


def _ended(desk: Desk, trace: Json) -> str | None:
    """Return why it ended; of a row that is not what a gateway writes nothing is believed, and that is said instead."""
    return desk.word("ended", "altered" if trace["altered"] else trace["end_reason"])


@group.command("show", epilog="Example: ecluse traces show 8c1d")
def show(
    context: typer.Context,
    trace: Annotated[str, typer.Argument(help="Identifier, or its first digits.")],
    as_json: AsJson = False,
) -> None:
    """Show what is known of one trace: who, on what, why, from where, and how it is sealed."""
    desk = Desk.of(context, as_json)
    found = names.trace(desk.client, trace)
    if desk.as_json:
        desk.show_json(found)
        return
    fields = [
        ("field.id", found["id"]),
        ("field.person", f"{found['person_login']} ({found['person_name']}, {found['supplier']})"),
        ("field.device", f"{found['account_name']}@{found['device_name']}"),
        ("field.source", found["source"]),
        ("field.started", desk.moment(found["started"], seconds=True)),
        ("field.ended", desk.moment(found["ended"], seconds=True)),
        ("field.reason", _ended(desk, found)),
        ("field.kind", desk.word("kind", found["kind"])),
        ("field.purpose", found["purpose"]),
        ("field.window", found["window_id"][:8]),
        ("field.size", data_size(found["size"], desk.language)),
        ("field.records", found["records"]),
        ("field.manifest", found["manifest_sha256"]),
    ]
    desk.show_record(fields, found)


@group.command(
    "replay", epilog='Example: ecluse traces replay 8c1d --reason "Incident 42" --speed 4 --idle-cut 1'
)
def replay(
    context: typer.Context,
    trace: Trace,
    reason: Why = None,
    reader_key: ReaderKeyFile = None,
    speed: Annotated[float, typer.Option(min=0.05, max=1000, help="How many times faster.")] = 1.0,
    idle_cut: Annotated[
        float | None, typer.Option(min=0, help="No pause longer than so many seconds.")
    ] = None,
    seek: Annotated[float, typer.Option(min=0, help="Start so many seconds in.")] = 0.0,
) -> None:
    """Play a trace in this terminal. Space pauses, + and - change the speed, → skips 10 s, q or Ctrl-C ends it."""
    desk = Desk.of(context)
    viewing = _viewing(desk, trace)

    def paint(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    with _rendered(desk, trace, reason, "asciicast", reader_key) as lines, Keyboard(sys.stdin) as keys:
        for line in viewing.head(desk):
            desk.note_line(line)
        if keys.there:
            desk.note("replay.keys")
        try:
            play(lines, paint, Pace(keys, speed).wait, idle_cut=idle_cut, seek=seek)
        except (KeyboardInterrupt, Quit):
            pass
        finally:
            paint(RESTORE if sys.stdout.isatty() else "\n")
    desk.note_line(viewing.end(desk))


@group.command("transcript", epilog='Example: ecluse traces transcript 8c1d --reason "Incident 42"')
def transcript_(
    context: typer.Context,
    trace: Trace,
    reason: Why = None,
    reader_key: ReaderKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Print a trace as plain text in which no control sequence is left; as JSON, each frame as it is stored."""
    desk = Desk.of(context, as_json)
    form = "events" if as_json else "transcript"
    with _rendered(desk, trace, reason, form, reader_key) as lines:
        for line in lines:
            sys.stdout.write(line + "\n")


@group.command("export", epilog='Example: ecluse traces export 8c1d session.cast --reason "Incident 42"')
def export(
    context: typer.Context,
    trace: Trace,
    target: Annotated[Path, typer.Argument(help="New file; with --format files, a new folder.")],
    reason: Why = None,
    reader_key: ReaderKeyFile = None,
    form: Annotated[
        str, typer.Option("--format", metavar="asciicast|transcript|files", help="What to write.")
    ] = "asciicast",
    as_json: AsJson = False,
) -> None:
    """Write a trace to a file: for a player, as text, or its own files for the offline verifier."""
    desk = Desk.of(context, as_json)
    if form not in ("asciicast", "transcript", "files"):
        raise typer.BadParameter("write asciicast, transcript or files", param_hint="--format")
    if target.exists():
        raise FileUnusable("file.exists", path=str(target))
    if form == "files":
        _export_files(desk, trace, target, reason)
    else:
        with _rendered(desk, trace, reason, form, reader_key, bar=True) as lines, _new_file(target) as stream:
            for line in lines:
                stream.write(line + "\n")
    desk.done(
        {"trace": trace, "path": str(target), "format": form}, "traces.exported", id=trace, path=str(target)
    )


@group.command(
    "verify",
    epilog="Example: ecluse traces verify --all --anchors anchors.jsonl\n\n"
    "Exit status: 0 intact, 1 touched, 3 intact but for what could not be proven.",
)
def verify_(
    context: typer.Context,
    trace: Annotated[
        str | None, typer.Argument(help="Identifier or its first digits, or the path of an exported trace.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every trace, held to catalogue, journal and checkpoints.")
    ] = False,
    anchors: Anchors = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(
            help="Verify files offline by this gateway's public key; nothing is asked of the API. Repeat it with the "
            "key of the checkpoints where wraps were made later."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that nobody touched a trace, or all of them; or name the first bad record, trace or missing end."""
    desk = Desk.of(context, as_json)
    if everything == (trace is not None):
        raise typer.BadParameter("name one trace, or write --all", param_hint="TRACE")
    if everything:
        verify_store(desk, anchors)
        return
    if anchors is not None:
        raise typer.BadParameter("anchors go with --all", param_hint="--anchors")
    trace = str(trace)
    if not public_key and Path(trace).is_dir():
        raise RecordingUnusable("traces.key_wanted", path=trace)
    found = _verify_files(Path(trace), public_key) if public_key else _verify_stored(desk, trace)
    if found["valid"]:
        told = "traces.valid_stub" if found["purged"] else "traces.valid"
        desk.done(found, told, id=trace, records=found["records"])
        return
    told = desk.word("broken", found["what"], record=found["record"]) or str(found["why"])
    desk.done(found, "traces.broken", id=trace, why=told)
    raise typer.Exit(_BROKEN)


def _verify_stored(desk: Desk, trace: str) -> Json:
    return desk.client.post(f"/v1/traces/{names.trace(desk.client, trace)['id']}/verify")


def _verify_files(path: Path, public_keys: list[Path]) -> Json:
    try:
        keys = [PublicKey.load(each) for each in public_keys]
    except RecorderError as broken:
        raise RecordingUnusable("traces.nothing_verified", why=str(broken)) from broken
    try:
        folder = path if path.is_dir() else path.parent
        try:
            signer = read_manifest(folder).signer
        except RecorderError:  # told by the verification
            signer = ""
        recorder = next((key for key in keys if key.key_id == signer), keys[0])
        found = verify(path, recorder, consoles=[key for key in keys if key is not recorder])
    except RecorderError as broken:
        raise RecordingUnusable("traces.unusable", why=str(broken)) from broken
    problem = found.problem
    return {
        "valid": found.intact,
        "records": found.records,
        "purged": found.purge is not None,
        "what": problem.what if problem is not None else None,
        "record": problem.record if problem is not None else None,
        "why": problem.detail if problem is not None else None,
    }


def _export_files(desk: Desk, trace: str, target: Path, reason: str | None) -> None:
    identifier = names.trace(desk.client, trace)["id"]
    with desk.client.stream(f"/v1/traces/{identifier}/files", reason=_reason(desk, reason)) as pieces:
        unpack(watched(pieces, desk.say("export.arriving")), target)


@contextmanager
def _rendered(
    desk: Desk, trace: str, reason: str | None, form: str, reader_key: Path | None, *, bar: bool = False
) -> Iterator[Iterator[str]]:
    """Open the lines of a trace: of exported files where *trace* is a path, else of the API, with a *bar* if wished."""
    path = Path(trace)
    if path.exists():
        try:
            readers = [reader_key_of(desk, reader_key)] if reader_key is not None else []
            with TraceReader(path, readers) as reader:
                yield _render(desk, reader, form)
        except RecorderError as broken:
            raise RecordingUnusable("traces.unusable", why=str(broken)) from broken
        return
    identifier = names.trace(desk.client, trace)["id"]
    with (
        desk.client.stream(f"/v1/traces/{identifier}/{form}", reason=_reason(desk, reason)) as pieces,
        io.TextIOWrapper(
            io.BufferedReader(Pieces(watched(pieces, desk.say("export.arriving")) if bar else pieces)),
            encoding="utf-8",
            newline="\n",
        ) as lines,
    ):
        yield (line.removesuffix("\n") for line in lines)


def _render(desk: Desk, reader: TraceReader, form: str) -> Iterator[str]:
    if form == "events":
        return events.listing(reader)
    render = asciicast.export if form == "asciicast" else transcript.render
    return render(reader, teller=narrator(desk))


def _viewing(desk: Desk, trace: str) -> Viewing:
    path = Path(trace)
    if not path.exists():
        return Viewing.of_api(desk, names.trace(desk.client, trace))
    try:
        return Viewing.of_files(path)
    except RecorderError as broken:
        raise RecordingUnusable("traces.unusable", why=str(broken)) from broken


def _reason(desk: Desk, reason: str | None) -> str:
    return reason if reason is not None else desk.ask("traces.reason")


@contextmanager
def _new_file(path: Path) -> Iterator[io.TextIOBase]:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            path.chmod(0o600)
            yield stream
    except FileExistsError as exists:
        raise FileUnusable("file.exists", path=str(path)) from exists
    except OSError as broken:
        raise FileUnusable("file.unwritable", path=str(path)) from broken
