"""``ecluse engagements``: the charter and the engagements that technicians accept, by version."""

from pathlib import Path
from typing import Annotated

import typer

from ecluse import names
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable
from ecluse.tables import Column, whole
from policy.i18n import neutralise

group = typer.Typer(no_args_is_help=True, help="The charter and the engagements that technicians accept.")

_LONGEST_PARAGRAPH = 6_000
Kind = Annotated[str, typer.Argument(metavar="charter|confidentiality|action-limit", help="Which text.")]


@group.command("list", epilog="Example: ecluse engagements list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List every version of every text, and from when each is in force."""
    desk = Desk.of(context, as_json)
    found = desk.client.get("/v1/engagements")["items"]
    rows = [
        (
            item["kind"],
            item["version"],
            item["titles"][desk.language],
            desk.moment(item["effective"]),
            item["digest"][:12],
        )
        for item in found
    ]
    columns = (
        *whole("field.text", "field.version"),
        Column("field.title"),
        *whole("field.effective", "field.digest"),
    )
    desk.show_table(columns, rows, found)


@group.command("show", epilog="Example: ecluse engagements show charter")
def show(
    context: typer.Context,
    kind: Kind,
    version: Annotated[int | None, typer.Option(help="Left out, the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print one version of a text, in the language of the screen: a blank line between its paragraphs."""
    desk = Desk.of(context, as_json)
    found = [item for item in desk.client.get("/v1/engagements")["items"] if item["kind"] == kind]
    wanted = [item for item in found if version is None or item["version"] == version]
    if not wanted:
        raise FileUnusable("engagements.none", kind=kind)
    text = wanted[-1]
    if as_json:
        desk.show_json(text)
        return
    desk.write(text["titles"][desk.language])
    for paragraph in text["paragraphs"][desk.language]:
        typer.echo(f"\n{neutralise(paragraph, _LONGEST_PARAGRAPH)}")


@group.command(
    "publish", epilog="Example: ecluse engagements publish charter --fr charte.txt --en charter.txt"
)
def publish(
    context: typer.Context,
    kind: Kind,
    fr: Annotated[
        Path, typer.Option(help="The text in French: its title, then paragraphs, blank lines between.")
    ],
    en: Annotated[Path, typer.Option(help="The same text in English.")],
    effective: Annotated[
        str | None, typer.Option(help="From when it is in force; until then the one before serves too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Publish the next version of a text: technicians accept it before their next session."""
    desk = Desk.of(context, as_json)
    words = {"fr": _read(fr), "en": _read(en)}
    body = {
        "titles": {language: title for language, (title, _) in words.items()},
        "paragraphs": {language: paragraphs for language, (_, paragraphs) in words.items()},
        "effective": desk.instant(effective, "--effective"),
    }
    made = desk.client.post(f"/v1/engagements/{kind}", body)
    desk.done(
        made, "engagements.published", version=made["version"], effective=desk.moment(made["effective"])
    )


@group.command("accepted", epilog="Example: ecluse engagements accepted alice")
def accepted(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="Login of the person.")],
    as_json: AsJson = False,
) -> None:
    """List what a person accepted: the version, when, and from which address."""
    desk = Desk.of(context, as_json)
    person = names.person(desk.client, login)
    found = list(desk.client.items(f"/v1/people/{person['id']}/engagements"))
    rows = [
        (item["kind"], item["version"], desk.moment(item["at"]), item["source"], item["digest"][:12])
        for item in found
    ]
    desk.show_table(
        whole("field.text", "field.version", "field.accepted", "field.source", "field.digest"), rows, found
    )


def _read(path: Path) -> tuple[str, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    title, *paragraphs = [part for part in parts if part] or [""]
    return title, paragraphs
