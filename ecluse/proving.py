"""What the commands that verify everything share: anchors from a file, how far it is, and what was found, in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from ecluse.client import Json
from ecluse.desk import Desk
from ecluse.errors import FileUnusable, RecordingUnusable
from ecluse.progress import progress
from recorder.errors import TraceFormatError
from recorder.proof import anchors as anchoring

if TYPE_CHECKING:
    from recorder.audit.verify import JournalVerification

Anchors = Annotated[
    Path | None,
    typer.Option(
        help="What another machine remembers of the checkpoints. Shows a store that was rolled back."
    ),
]

TOUCHED = 1
UNPROVEN = 3
_NEWEST = 500
"""Anchors that are sent: each vouches for every checkpoint before it."""
_SHOWN = 20


class Meter(Protocol):
    """Shows how far a long work is."""

    def __call__(self, part: str, done: int, of: int) -> None:
        """Show that *done* of *of* are done of this *part*."""


@contextmanager
def meter(desk: Desk) -> Iterator[Meter]:
    """Show a bar for each part of a long work on standard error, where a person looks at it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with progress(*columns) as bars:
        tasks = {}

        def show(part: str, done: int, of: int) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(str(desk.word("part", part)), total=of)
            bars.update(tasks[part], completed=done, total=of)

        yield show


def verify_store(desk: Desk, anchors: Path | None) -> None:
    """Have everything verified, show how far it is and what was found; ends the command by its exit status."""
    body = {"anchors": anchors_in(desk, anchors)}
    proof: Json | None = None
    with meter(desk) as show, desk.client.lines("/v1/traces/verify", body) as lines:
        for line in lines:
            proof = line.get("proof", proof)
            if "part" in line:
                show(line["part"], line["done"], line["of"])
    if proof is None:
        raise RecordingUnusable("store.stopped")
    counts = proof["counts"]
    key = "store.valid" if proof["valid"] else "store.broken"
    first = told(desk, proof["findings"][0]) if proof["findings"] else ""
    desk.done(
        proof,
        key,
        traces=counts.get("traces", 0),
        entries=counts.get("entries", 0),
        checkpoints=counts.get("checkpoints", 0),
        why=first,
    )
    conclude(desk, proof)


def conclude(desk: Desk, proof: Json) -> None:
    """Write the further findings, the remarks and the newest checkpoint; ends the command where not all is proven."""
    if not desk.as_json:
        _list(desk, proof["findings"][1:])
        if proof["remarks"]:
            desk.tell("store.remarks")
            _list(desk, proof["remarks"])
        if proof["newest"] is not None:
            at = desk.moment(proof["newest_at"], seconds=True)
            desk.tell("store.newest", sequence=proof["newest"], at=at)
    if not proof["valid"]:
        raise typer.Exit(TOUCHED)
    if proof["remarks"]:
        raise typer.Exit(UNPROVEN)


def verdict(journal: "JournalVerification") -> Json:
    """Return how a journal stands that was brought somewhere, for scripts."""
    return {"intact": journal.intact, "entries": journal.entries, "chains": len(journal.heads)}


def tell_journal(desk: Desk, journal: "JournalVerification") -> None:
    """Tell how a journal stands that was brought somewhere."""
    if journal.bad is None:
        desk.tell("db.moved_journal", entries=journal.entries, chains=len(journal.heads))
    else:
        desk.tell("db.moved_broken_journal", writer=journal.bad.writer, entry=journal.bad.seq)


def told(desk: Desk, finding: Json) -> str:
    """Return a finding in the reader's words; in the API's own where there are none."""
    place = str(desk.word("place", finding["place"], name=finding["name"]))
    what = str(finding["what"])
    key = f"{finding['place']}.{what}"
    said = str(desk.word("proof", key, name=finding["name"]))
    if said == key and finding["place"] == "trace":
        said, key = str(desk.word("broken", what, record=finding["record"])), what
    return desk.say("proof.found", place=place, said=finding["detail"] if said == key else said)


def anchors_in(desk: Desk, path: Path | None) -> list[Json]:
    """Return the newest anchors of this hospital in the file *path*.

    Raises FileUnusable where it cannot be read, or holds none of this hospital.
    """
    if path is None:
        return []
    try:
        found = anchoring.read(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    except TraceFormatError as broken:
        raise FileUnusable("audit.no_anchors", path=str(path)) from broken
    hospital = desk.client.get("/v1/me")["hospital"]["id"]
    own = sorted(one for one in found if one.hospital_id == hospital)[-_NEWEST:]
    if not own:
        raise FileUnusable("audit.no_anchors", path=str(path))
    return [{"sequence": one.sequence, "digest": one.digest, "at": one.at} for one in own]


def _list(desk: Desk, findings: list[Json]) -> None:
    for one in findings[:_SHOWN]:
        desk.write(f"  {told(desk, one)}")
    if len(findings) > _SHOWN:
        desk.tell("store.more", count=len(findings) - _SHOWN)
