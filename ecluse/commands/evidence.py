"""``ecluse evidence``: one file that proves what happened, for a judge and whoever checks it without us."""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable, RecordingUnusable
from ecluse.pieces import watched
from ecluse.tables import Column, whole

_PATIENCE = 900.0
"""Seconds: traces may have to be fetched from far away before the first byte comes."""

group = typer.Typer(no_args_is_help=True, help="Evidence packages: one file that proves what happened.")


@group.command(
    "make",
    epilog='Example: ecluse evidence make 8c1d --reason "Plainte 2026-114"\n\n'
    "ecluse evidence make --person alice --from 2026-03-01 --to 2026-04-01 --reason "
    '"Réquisition 12" --output alice.zip',
)
def make(
    context: typer.Context,
    session: Annotated[
        list[str] | None, typer.Argument(help="Sessions, by identifier or its first digits.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Or all that this person did from then to then.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Sessions opened at or after then.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Sessions opened before then: a day named alone is not included."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; the journal and the package keep it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="New file; else evidence-DAY-SESSION.zip here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an evidence package: traces, transcripts, journal, proofs, keys, verifier, and a page that explains it."""
    desk = Desk.of(context, as_json)
    desk.options = {"session": "SESSION", "from": "--from", "to": "--to"}
    if not session and person is None:
        raise typer.BadParameter("give one session, or one of these options", param_hint="SESSION, --person")
    asked = {
        "session": [str(names.trace(desk.client, one)["id"]) for one in session or ()] or None,
        "person": person,
        "from_": desk.instant(from_, "--from"),
        "to": desk.instant(to, "--to"),
    }
    if reason is None:
        reason = desk.ask("traces.reason")
    plan = desk.client.get("/v1/evidence/plan", **asked)
    target = output if output is not None else Path(_named(plan))
    if target.exists():
        raise FileUnusable("file.exists_output", path=str(target))
    digest = _download(desk, {**asked, "reason": reason}, target, plan["size"])
    unheld = [one["id"] for one in plan["sessions"] if not one["held"] and one["purged_at"] is None]
    document: Json = {
        "path": str(target),
        "bytes": target.stat().st_size,
        "sha256": digest,
        "sessions": [one["id"] for one in plan["sessions"]],
        "purged": [one["id"] for one in plan["sessions"] if one["purged_at"] is not None],
        "running": [one["id"] for one in plan["running"]],
        "unheld": unheld,
    }
    desk.done(document, "evidence.made", path=str(target), count=len(plan["sessions"]), digest=digest)
    if document["purged"]:
        desk.tell("evidence.purged", count=len(document["purged"]))
    if document["running"]:
        desk.tell("evidence.running", count=len(document["running"]))
    desk.tell("evidence.check", path=str(target))
    if unheld:
        desk.tell("evidence.unheld", count=len(unheld), session=unheld[0][:8])


@group.command("keys", epilog="Example: ecluse evidence keys")
def keys(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the fingerprints of the keys that sign: read them to whoever calls to check a package."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/evidence/keys")["items"]
    rows = [(desk.word("signs", one["signs"]), _grouped(one["fingerprint"])) for one in found]
    desk.show_table((*whole("field.signs"), Column("field.fingerprint")), rows, found)


def _grouped(digits: str) -> str:
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def _named(plan: Json) -> str:
    first = plan["sessions"][0]
    return f"evidence-{first['started'][:10]}-{first['id'][:8]}.zip"


def _download(desk: Desk, asked: Json, target: Path, expected: int) -> str:
    digest = hashlib.sha256()
    with (
        _new_file(target) as file,
        desk.client.stream("/v1/evidence", patience=_PATIENCE, **asked) as pieces,
    ):
        # what is derived makes the package larger than the traces: about that much
        for piece in watched(pieces, desk.say("evidence.making"), max(expected * 2, 1 << 20)):
            file.write(piece)
            digest.update(piece)
        file.flush()
        if not zipfile.is_zipfile(target):
            raise RecordingUnusable("evidence.torn")
    return digest.hexdigest()


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for its owner alone; what did not get whole does not stay."""
    try:
        with path.open("xb") as stream:
            path.chmod(0o600)
            try:
                yield stream
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError as exists:
        raise FileUnusable("file.exists_output", path=str(path)) from exists
    except OSError as broken:
        raise FileUnusable("file.unwritable", path=str(path)) from broken
