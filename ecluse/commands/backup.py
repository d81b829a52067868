"""``ecluse backup``: the whole installation in one sealed archive, and back again."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse import moments
from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import BackupError

if TYPE_CHECKING:
    from ecluse.backup.making import Progress
    from ecluse.backup.restoring import Restored, Targets
    from ecluse.settings import Settings
    from recorder.store.arrivals import Arrivals

app = typer.Typer(help="The whole installation in one sealed archive, and back again.", no_args_is_help=True)
SUFFIX = ".backup"
_SHOWN = 20

SignerOption = Annotated[
    Path,
    typer.Option("--signer", help="Public key of the checkpoints, kept elsewhere: who made the backup."),
]
KeyOption = Annotated[Path, typer.Option("--key", help="Private key that backups are sealed for.")]
PolicyUrlOption = Annotated[
    str | None, typer.Option("--policy-url", help="Empty PostgreSQL database; its password in PGPASSWORD.")
]
TracesUrlOption = Annotated[
    str | None, typer.Option("--traces-url", help="The same for catalogue and journal; unset, that one.")
]


def register(root: typer.Typer) -> None:
    """Add the noun to the command tree."""
    root.add_typer(app, name="backup")


@app.command("key")
def new_key(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="File of the private key; the public one is made beside it, .pub.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make the pair of keys that backups are sealed for, behind a passphrase. Not on the bastion: it needs the public one.

    Example: ecluse backup key /media/safe/hospital-backup.pem
    """
    from ecluse.readers import SHORTEST_PASSPHRASE
    from recorder.seal.wrapping import generate_reader_key

    desk = Desk.of(context, as_json)
    typed = desk.ask("backup.passphrase", hidden=True, again="readers.again")
    if len(typed) < SHORTEST_PASSPHRASE:
        raise BackupError("backup.short_passphrase", least=SHORTEST_PASSPHRASE)
    made = generate_reader_key(path, typed)
    public = f"{path}.pub"
    desk.done({"key": made.public.key_id, "public": public}, "backup.key_made", path=str(path), public=public)


@app.command()
def make(
    context: typer.Context,
    target: Annotated[
        Path | None, typer.Argument(help="The archive to write; unset, a dated one in backup.folder.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Remove older archives of the folder, but so many.")
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Write a backup while the programs go on: databases, keys, settings, traces of a folder, what waits in the spool.

    Example: ecluse backup make --keep 14 --config /etc/ecluse/ecluse.toml
    """
    from ecluse import settings as configuration
    from ecluse.backup.making import make as write

    desk = Desk.of(context, as_json)
    settings, at = load(config), datetime.now(UTC)
    if target is None:
        settings.backup_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = settings.backup_folder / f"ecluse-{at:%Y%m%d-%H%M%S}{SUFFIX}"
    with _progress() as tell:
        made = write(settings, configuration.find(config), target, at, tell)
    removed = _prune(target, keep) if keep is not None else []
    facts: dict[str, Any] = {"archive": made.archive, "files": made.files, "bytes": made.size}
    if made.bucket is not None:
        facts["bucket"] = made.bucket
    _journal(settings, "backup.made", {**facts, "name": target.name})
    document = {**facts, "path": str(target), "removed": removed}
    desk.done(document, "backup.made", path=str(target), files=made.files, mib=max(1, made.size >> 20))
    _tell_bucket(desk, made.bucket)


@app.command()
def verify(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The archive.")],
    signer: SignerOption,
    as_json: AsJson = False,
) -> None:
    """Check that an archive is whole and was made by this installation; nothing of it is opened, no private key needed.

    Example: ecluse backup verify ecluse-20261129-020000.backup --signer checkpoint-signing.pem.pub
    """
    from ecluse.backup.archive import read_signer
    from ecluse.backup.restoring import check

    desk = Desk.of(context, as_json)
    header = check(archive, read_signer(signer)).header
    document = {name: header[name] for name in ("archive", "hospital_id", "made_at", "ecluse", "signer")}
    desk.done(document, "backup.verified", made_at=_utc(header["made_at"]), archive=header["archive"])


@app.command()
def restore(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The archive.")],
    directory: Annotated[Path, typer.Argument(help="The data directory to make: not there yet, or empty.")],
    key: KeyOption,
    signer: SignerOption,
    policy_url: PolicyUrlOption = None,
    traces_url: TracesUrlOption = None,
    as_json: AsJson = False,
) -> None:
    """Make the installation again from an archive, whole or not at all. Nothing that is there is written over.

    Example: ecluse backup restore last.backup /var/lib/ecluse --key hospital-backup.pem --signer checkpoint-signing.pem.pub
    """
    from ecluse.backup.restoring import Targets

    desk = Desk.of(context, as_json)
    restored = _restored(
        desk, archive, directory, key, signer, Targets(policy=policy_url, traces=traces_url or policy_url)
    )
    if as_json:
        desk.show_json({**_document(restored), "elsewhere": list(restored.elsewhere)})
        return
    desk.tell(
        "backup.restored",
        directory=str(directory),
        files=restored.files,
        made_at=_utc(restored.header["made_at"]),
    )
    _tell_state(desk, restored)
    for path in restored.elsewhere:
        desk.tell("backup.elsewhere", path=path, kept=f"{directory}/elsewhere{path}")
    if restored.bucket is not None:
        desk.tell("backup.restored_bucket", bucket=restored.bucket["bucket"])
    desk.tell("backup.restored_next")


@app.command()
def compare(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where the archive was restored; unset, the data directory of the settings."),
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Hold a restored installation to its bucket: name what is lost, enter into the catalogue the traces that came since.

    Ends with 1 where something that was in the bucket when the backup was made is not there as it was.

    Example: ecluse backup compare --config /var/lib/ecluse/ecluse.toml
    """
    from ecluse.backup import bucket
    from ecluse.backup.examination import Examination

    desk = Desk.of(context, as_json)
    settings = load(config)
    standing = Examination(settings, settings.policy_url(), settings.trace_url())

    async def look() -> "tuple[Mapping[str, Any], Arrivals]":
        found = await bucket.compare(standing, directory or settings.data_dir)
        return found, await standing.enter_arrivals()

    told, arrived = asyncio.run(look())
    entered = {"entered": list(arrived.entered), "refused": list(arrived.refused)}
    if as_json:
        desk.show_json({**told, **entered})
    else:
        _tell_comparison(desk, told)
        _tell_arrivals(desk, arrived)
    if not told["whole"]:
        raise typer.Exit(1)


@app.command()
def rehearse(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The archive.")],
    proof: Annotated[Path, typer.Argument(help="File of the proof to write.")],
    key: KeyOption,
    signer: SignerOption,
    policy_url: PolicyUrlOption = None,
    traces_url: TracesUrlOption = None,
    without_bucket: Annotated[
        bool,
        typer.Option("--without-bucket", help="Where the bucket is out of reach; the proof says so."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore an archive for the proof of it, on the machine that has the key, and throw away what came out.

    Journal and checkpoints are verified, each trace of a folder from its first byte, a bucket by the backup's inventory.

    Example: ecluse backup rehearse last.backup proof.json --key hospital-backup.pem --signer checkpoint-signing.pem.pub
    """
    from ecluse.backup import rehearsal
    from ecluse.backup.restoring import Targets
    from recorder.seal.files import write_new

    desk = Desk.of(context, as_json)
    targets = Targets(policy=policy_url, traces=traces_url or policy_url)
    with tempfile.TemporaryDirectory(prefix="ecluse-rehearsal-") as folder, ExitStack() as stack:
        directory = Path(folder) / "restored"
        restored = _restored(desk, archive, directory, key, signer, targets)
        stack.callback(_forget, restored.outside)
        rehearsed = asyncio.run(
            rehearsal.rehearse(restored, directory, targets, with_bucket=not without_bucket)
        )
        written = rehearsal.prove(restored, rehearsed, datetime.now(UTC), socket.gethostname())
        shutil.rmtree(directory)
    try:
        write_new(proof, written, 0o644)
    except OSError as error:
        raise BackupError("backup.target", path=str(proof), why=error.strerror) from error
    traces, bucket = rehearsed.traces, rehearsed.bucket
    if as_json:
        found = {"intact": traces.intact, "broken": list(traces.broken)}
        desk.show_json({**_document(restored), "traces": found, "bucket": bucket})
        return
    made_at = _utc(restored.header["made_at"])
    desk.tell("backup.rehearsed", proof=str(proof), made_at=made_at, files=restored.files)
    _tell_state(desk, restored)
    if bucket is not None:
        _tell_comparison(desk, bucket)
    elif restored.bucket is not None:
        desk.tell("backup.bucket_left_out", bucket=restored.bucket["bucket"])
    else:
        desk.tell("backup.traces", intact=traces.intact, broken=len(traces.broken))


@app.command()
def record(
    context: typer.Context,
    proof: Annotated[Path, typer.Argument(help="The proof that 'backup rehearse' wrote.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Write the proof of a rehearsal into the journal of this installation, which must have made the archive.

    Example: ecluse backup record proof.json --config /etc/ecluse/ecluse.toml
    """
    from ecluse.backup.rehearsal import read_proof
    from recorder.seal.signing import PublicKey

    desk = Desk.of(context, as_json)
    settings = load(config)
    content = read_proof(proof, [PublicKey.load(path) for path in settings.checkpoint_public_keys])
    if content.get("hospital_id") != settings.hospital_id:
        raise BackupError("backup.no_proof", path=str(proof))
    kept = {
        name: content[name]
        for name in ("archive", "made_at", "rehearsed_at", "machine", "files", "traces", "journal", "bucket")
        if name in content
    }
    _journal(settings, "backup.verified", kept)
    desk.done(kept, "backup.recorded", archive=content["archive"], rehearsed_at=_utc(content["rehearsed_at"]))


def _utc(text: str) -> str | None:
    # an archive is looked at where nobody knows the hospital's clock; the sentences say that it is UTC
    return moments.wall(text, UTC)


def _restored(
    desk: Desk, archive: Path, directory: Path, key: Path, signer: Path, targets: "Targets"
) -> "Restored":
    from ecluse.backup.archive import read_signer
    from ecluse.backup.restoring import restore as bring_back
    from ecluse.escrow import reader_key

    known, opening = read_signer(signer), reader_key(desk, key)
    with _progress() as tell:
        return asyncio.run(bring_back(archive, opening, known, directory, targets, tell))


def _document(restored: "Restored") -> dict[str, Any]:
    header, journal, arrived = restored.header, restored.journal, restored.arrived
    return {
        "archive": header["archive"],
        "made_at": header["made_at"],
        "files": restored.files,
        "journal": {
            "intact": journal.intact,
            "entries": journal.counts["entries"],
            "chains": len(journal.heads),
            "checkpoints": journal.counts["checkpoints"],
            "findings": [f"{one.name}: {one.detail}" for one in journal.findings[:_SHOWN]],
        },
        "entered": list(arrived.entered),
        "refused": list(arrived.refused),
    }


def _tell_state(desk: Desk, restored: "Restored") -> None:
    from ecluse.wording import detail

    journal = restored.journal
    counts = {name: journal.counts[name] for name in ("entries", "checkpoints")}
    if journal.intact:
        desk.tell("backup.journal", chains=len(journal.heads), **counts)
    else:
        desk.tell("backup.journal_broken", count=len(journal.findings))
        for one in journal.findings[:_SHOWN]:
            desk.write(f"  {one.name}: {detail(one.detail, desk.language)}")
    _tell_arrivals(desk, restored.arrived)


def _tell_arrivals(desk: Desk, arrived: "Arrivals") -> None:
    if arrived.entered:
        desk.tell("backup.entered", count=len(arrived.entered))
    if arrived.refused:
        desk.tell("backup.refused", count=len(arrived.refused), first=arrived.refused[0])


def _tell_bucket(desk: Desk, bucket: Mapping[str, Any] | None) -> None:
    if bucket is None:
        return
    if "unreached" in bucket:
        desk.note("backup.bucket_not_listed", bucket=bucket["bucket"], why=bucket["unreached"])
    else:
        desk.tell("backup.bucket_listed", bucket=bucket["bucket"], versions=bucket["versions"])


def _tell_comparison(desk: Desk, told: Mapping[str, Any]) -> None:
    counts = {name: told[name] for name in ("versions", "manifests", "newer", "purged", "expired")}
    desk.tell("backup.bucket_whole" if told["whole"] else "backup.bucket_touched", **counts)
    for fault, names in told["named"].items():
        desk.tell(f"backup.bucket_{fault}", count=told[fault])
        for name in names[:_SHOWN]:
            desk.write(f"  {name}")


def _forget(databases: Sequence[Path]) -> None:
    for path in databases:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prune(newest: Path, keep: int) -> list[str]:
    found = sorted(newest.parent.glob(f"ecluse-*{SUFFIX}"), reverse=True)
    removed = [path for path in found[keep:] if path != newest]
    for path in removed:
        path.unlink()
    return [path.name for path in removed]


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    from ecluse.progress import progress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with progress(*columns) as screen:
        bar = screen.add_task("", total=None)
        yield lambda name, done, total: screen.update(
            bar, description=name[-40:], completed=done, total=total
        )


def _journal(settings: "Settings", name: str, facts: Mapping[str, Any]) -> None:
    from ecluse.local_acts import PROGRAM, journalled

    asyncio.run(journalled(settings, name, facts, actor=PROGRAM, chain="backup"))
