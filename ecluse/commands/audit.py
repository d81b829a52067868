"""``ecluse audit``: the security journal, and the proof that nobody touched it."""

import json
import re
import sys
from collections.abc import Iterable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from admin_api.chronicle import INSTANT, doer, gist, lines, object_of
from admin_api.sayings import of_both, said
from ecluse import names
from ecluse.client import Json
from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError, FileUnusable
from ecluse.moments import Since, Until
from ecluse.pieces import unpack, watched
from ecluse.proving import Anchors, anchors_in, conclude, told
from ecluse.tables import Column, whole
from policy import i18n
from policy.domain.people import Language

_ELSEWHERE = {"channel": "policy", "login": "admin_api.console.staff", "text": "admin_api.console"}
"""Whose words these are: the screens and the gateway have them, too."""
_VALUE = r'"((?:[^"\\\]]|\\.)*)"'
_TOLD = frozenset({"writer", "seq", "digest"})
"""What says of which entry a line tells; lines of others stand beside them in a collector's file."""
_PARAMETER = re.compile(rf" (\w+)={_VALUE}")
_DATA = re.compile(rf"\[ecluse@32473((?: \w+={_VALUE})+)\]")

group = typer.Typer(no_args_is_help=True, help="The security journal.")


@group.command("list", epilog="Example: ecluse audit list --name access.denied --limit 20")
def list_(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="Only events of this name.")] = None,
    person: Annotated[str | None, typer.Option(help="Only events of this person's login.")] = None,
    device: Annotated[str | None, typer.Option(help="Only events on this device.")] = None,
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100000, help="At most this many, the newest.")] = 100,
    details: Annotated[bool, typer.Option("--details", help="All that each entry holds, below it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the journal, one line an entry, the newest last."""
    desk = Desk.of(context, as_json)
    query = {
        "name": name,
        "person": person,
        "device": device,
        "session": session,
        "from": desk.instant(since, "--from"),
        "to": desk.instant(until, "--to"),
    }
    found = list(desk.client.items("/v1/journal", at_most=limit, **query))
    found.reverse()

    word = partial(word_of, desk)

    if details and not desk.as_json:
        for item in found:
            head = (item["name"], desk.word("actor", doer(item)), object_of(item), item["source"])
            desk.write(
                "  ".join([desk.moment(item["at"], seconds=True) or "", *(str(one or "–") for one in head)])
            )
            for line in lines(item, partial(word, seconds=True), colon=desk.colon):
                desk.write(f"    {line}")
        return

    rows = [
        (
            desk.moment(item["at"]),
            desk.word("event", item["name"]),
            desk.word("actor", doer(item)),
            object_of(item),
            item["source"],
            gist(item, word),
        )
        for item in found
    ]
    columns = (
        *whole("field.at", "field.event", "field.actor", "field.object"),
        *whole("field.source"),
        Column("field.details", cut=True),
    )
    desk.show_table(columns, rows, found)


@group.command(
    "verify",
    epilog="Example: ecluse audit verify --anchors anchors.jsonl\n\n"
    "Exit status: 0 intact, 1 touched, 3 intact but for what could not be proven.",
)
def verify(
    context: typer.Context,
    known: Annotated[
        Path | None,
        typer.Option(
            help="What another machine knows of the journal: an earlier proof (what --json printed), or a file of entries "
            "that a collector keeps. Shows an end cut off, also what no checkpoint knew yet."
        ),
    ] = None,
    anchors: Anchors = None,
    as_json: AsJson = False,
) -> None:
    """Verify the checkpoints and the journal's chains: was an entry changed, taken away or put in?"""
    desk = Desk.of(context, as_json)
    body = {
        "known": _heads(desk, known) if known is not None else [],
        "anchors": anchors_in(desk, anchors),
    }
    found = desk.client.post("/v1/journal/verify", body)
    key = "audit.valid" if found["valid"] else "audit.broken"
    why = told(desk, found["findings"][0]) if found["findings"] else ""
    desk.done(found, key, entries=found["entries"], checkpoints=found["checkpoints"], why=why)
    conclude(desk, found)


@group.command("checkpoint", epilog="Example: ecluse audit checkpoint --json >> /mnt/worm/checkpoints.json")
def checkpoint(context: typer.Context, as_json: AsJson = False) -> None:
    """Sign a checkpoint now: what journal and catalogue hold can then not be taken away unseen."""
    desk = Desk.of(context, as_json)
    made = desk.client.post("/v1/checkpoints")["items"]
    last = made[-1]
    desk.done(made, "audit.checkpoint", sequence=last["sequence"], digest=last["digest"])


@group.command("export", epilog="Example: ecluse audit export ./proofs-2026-11")
def export(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="New folder.")],
    session: Annotated[
        list[str] | None,
        typer.Option(help="Only what proves this session, by its first digits; repeat it for more."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export what proves: checkpoints, journal, catalogue, public keys. The stand-alone verifier reads it with the traces."""
    desk = Desk.of(context, as_json)
    if target.exists():
        raise FileUnusable("file.exists", path=str(target))
    found = [str(names.trace(desk.client, one)["id"]) for one in session or ()]
    with desk.client.stream("/v1/proofs/export", session=found or None) as pieces:
        unpack(watched(pieces, desk.say("export.arriving")), target)
    key = "audit.extracted" if found else "audit.exported"
    desk.done({"path": str(target), "sessions": found}, key, path=str(target))


@group.command("verifier", epilog="Example: ecluse audit verifier > ecluse-verify.py")
def verifier_() -> None:
    """Print the stand-alone verifier: one Python file, for whoever shall not have to believe this machine."""
    sys.stdout.write(files("recorder.proof").joinpath("verifier.py").read_text(encoding="utf-8"))


@group.command("key", epilog="Example: ecluse audit key --config /etc/ecluse/ecluse.toml")
def key(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Make the key that signs checkpoints, where there is none yet. Give its public half to whoever will verify."""
    from recorder.errors import SignatureInvalid
    from recorder.seal.signing import generate_key

    desk = Desk.of(context, as_json)
    path = load(config).checkpoint_key
    try:
        made = generate_key(path)
    except SignatureInvalid as error:
        raise EcluseError("audit.no_key", why=str(error)) from error
    desk.done({"id": made.public.key_id, "path": str(path)}, "audit.key", path=str(path))


def word_of(desk: Desk, prefix: str, value: object, *, seconds: bool = False) -> str | None:
    """Return the word for a detail's *value* under *prefix*, an instant by the hospital's clock; the value where there is none."""
    text = str(value)
    if prefix == "said":
        return said(text, Language(desk.language))
    if prefix == "both":
        return of_both(text, Language(desk.language))
    if INSTANT.fullmatch(text):
        return desk.moment(text, seconds=seconds)
    key = f"{prefix}.{text}"
    if prefix in _ELSEWHERE and (words := i18n.load(_ELSEWHERE[prefix])).knows(key):
        return words.translate(key, desk.language)
    return desk.word(prefix, value)


def _heads(desk: Desk, path: Path) -> list[Json]:
    """Return the heads of an earlier proof, or of what a collector has; raises FileUnusable where the file holds none."""
    found: Any
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if file.read(1) == "<":
                found = {"heads": _collected(file, desk.client.get("/v1/me")["hospital"]["id"]) or None}
            else:
                found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    except ValueError as broken:
        raise FileUnusable("audit.no_proof", path=str(path)) from broken
    heads = found.get("heads") if isinstance(found, dict) else None
    if not isinstance(heads, list) or not all(isinstance(head, dict) for head in heads):
        raise FileUnusable("audit.no_proof", path=str(path))
    return heads


def _collected(lines: Iterable[str], hospital_id: str) -> list[Json]:
    """Return the last entry that a collector has of each chain, and, after those, each that numbers went back behind.

    A number that comes again is another entry's after the first ones were taken away: the first one is held to last, so
    that it counts. The messages are RFC 5424, as `admin_api.syslog.message` writes them.
    """
    newest: dict[str, Json] = {}
    passed: list[Json] = []
    for line in lines:
        found = _DATA.search(line)
        told = dict(_PARAMETER.findall(found[1])) if found is not None else {}
        if told.get("hospital") != hospital_id or not told.keys() >= _TOLD or "fault" in told:
            continue
        head = {"writer": told["writer"], "seq": int(told["seq"]), "digest": told["digest"]}
        before = newest.get(head["writer"])
        if before is not None and head["seq"] <= before["seq"]:
            passed.append(before)
        newest[head["writer"]] = head
    return [*newest.values(), *reversed(passed)]
