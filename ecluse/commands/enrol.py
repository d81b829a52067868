"""``ecluse enrol``: the invited person chooses a password and takes a TOTP secret, in her own terminal."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import segno
import typer

from ecluse import profile
from ecluse.client import ApiClient, Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import FileUnusable, Refused
from policy.i18n import neutralise
from policy.vault.secret import Secret

_LONGEST_PARAGRAPH: Final = 6_000
_ATTEMPTS: Final = 3
"""How often a person at a terminal may choose a password, or type a code, before the command ends."""


def register(root: typer.Typer) -> None:
    """Add the command to *root*."""
    root.command(
        "enrol", epilog="Example: ecluse enrol invitation.txt --url https://127.0.0.1:8443 --ca ca.pem"
    )(enrol)


def enrol(
    context: typer.Context,
    invitation: Annotated[
        Path | None, typer.Argument(help="File that holds the invitation; left out, it is asked for.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of the API, https://host:port.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate of the installation's CA (PEM).")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File that holds the password chosen.")] = None,
    spoken_code: Annotated[
        str, typer.Option(help="The code told by voice, where the invitation asks for one.")
    ] = "",
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept the charter and the engagements, read beforehand.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Finish an invitation: choose a password, accept the texts, scan the code, prove it with a first code."""
    desk = Desk.of(context, as_json)
    place = profile.load(desk.environment, url=url, ca=ca)
    client = desk.client_for(profile.Profile(url=place.url, ca=place.ca, token=None))
    token = _invitation(desk, invitation)
    shown = _insist(desk, lambda: _choose(desk, client, token, password_file, spoken_code))
    _engage(desk, client, token, accept=accept)
    if as_json:
        # a script cannot scan; the secret goes out once, and the code comes back on standard input
        desk.show_json(shown)
        sys.stdout.flush()
    else:
        segno.make(str(shown["uri"])).terminal(out=sys.stdout, compact=True)
        desk.tell("enrol.secret", secret=str(shown["secret"]))
    person = _insist(desk, lambda: _confirm(desk, client, token))
    desk.tell("enrol.done", login=str(shown["login"]))
    outside = person["roles"] == ["technician"]
    given = shlex.join(["--url", place.url, "--ca", str(place.ca), "--login", str(shown["login"])])
    desk.tell("enrol.next_technician" if outside else "enrol.next", login=str(shown["login"]), given=given)


def _choose(
    desk: Desk, client: ApiClient, token: Secret, password_file: Path | None, spoken_code: str
) -> Json:
    if password_file is not None:
        password = first_line(password_file)
    else:
        password = Secret(desk.ask("enrol.password", hidden=True, again="enrol.password_again"))
    return client.post(
        "/v1/enrolment/password",
        {"invitation": token.reveal(), "password": password.reveal(), "spoken_code": spoken_code},
    )


def _engage(desk: Desk, client: ApiClient, token: Secret, *, accept: bool) -> None:
    """Show the texts that wait for her agreement, and ask for it; without it she cannot open a session."""
    texts = client.post("/v1/enrolment/engagements", {"invitation": token.reveal()})["items"]
    if not texts:
        return
    if not accept:
        for text in texts:
            desk.note("enrol.text", title=text["title"], version=text["version"])
            for paragraph in text["paragraphs"]:
                typer.echo(f"\n{neutralise(paragraph, _LONGEST_PARAGRAPH)}", err=True)
        # typed, not clicked away: an empty line is no agreement
        typed = desk.ask("enrol.accept", default="")
        accept = typed.strip().lower() == desk.say("yes")
    if not accept:
        desk.note("enrol.not_accepted")
        return
    versions = {text["kind"]: text["version"] for text in texts}
    client.post("/v1/enrolment/accept", {"invitation": token.reveal(), "versions": versions})


def _confirm(desk: Desk, client: ApiClient, token: Secret) -> Json:
    # authenticators show the digits in groups
    code = "".join(desk.ask("enrol.code").split())
    return client.post("/v1/enrolment/confirm", {"invitation": token.reveal(), "code": code})


def _insist(desk: Desk, ask: Callable[[], Json]) -> Json:
    """Ask again where a person sits at the terminal: starting over would give her another secret to scan."""
    attempts = _ATTEMPTS if _attended() else 1
    for _ in range(attempts - 1):
        try:
            return ask()
        except Refused as refused:
            desk.show_error(refused)
    return ask()


def _invitation(desk: Desk, path: Path | None) -> Secret:
    if path is not None:
        return first_line(path)
    return Secret(desk.ask("enrol.invitation", hidden=True).strip())


def first_line(path: Path) -> Secret:
    """Return the first line of the file as a secret; raises FileUnusable where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    if not lines or not lines[0].strip():
        raise FileUnusable("file.empty", path=str(path))
    return Secret(lines[0].strip())


def _attended() -> bool:
    return sys.stdin.isatty()
