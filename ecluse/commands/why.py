"""``ecluse why``: every rule, held or failed, and the next opening."""

from typing import Annotated

import typer

from ecluse.desk import AsJson, Desk

_REFUSED = 1


def register(root: typer.Typer) -> None:
    """Add the command to *root*."""
    root.command(
        "why", epilog="Example: ecluse why alice scan01 --at 2026-11-23T20:30:00+01:00 --from 192.0.2.7"
    )(why)


def why(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="Login of the person.")],
    device: Annotated[str, typer.Argument(help="Name of the device.")],
    account: Annotated[
        str | None, typer.Option(help="Dedicated account, where the device has several.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="On the hospital's clock, or with its offset; default: now."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="IP", help="Where she would come from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a person could reach a device, and why: every rule that holds or fails. Exit code 1: refused."""
    desk = Desk.of(context, as_json)
    query = {
        "person": person,
        "device": device,
        "account": account,
        "at": desk.instant(at, "--at"),
        "from": source,
    }
    found = desk.client.get("/v1/why", **query)
    if desk.as_json:
        desk.show_json(found)
    else:
        desk.tell(
            "why.allowed" if found["allowed"] else "why.refused",
            person=person,
            device=device,
            at=found["at_local"],
        )
        for finding in found["findings"]:
            desk.tell(
                "why.held" if finding["held"] else "why.failed",
                code=finding["code"],
                sentence=finding["sentence"],
            )
            if finding["next_step"]:
                desk.tell("why.next_step", sentence=finding["next_step"])
        if found["next_opening"]:
            opening = found["next_opening"]
            desk.tell("why.next_opening", start=opening["start_local"], end=opening["end_local"])
        elif not any(finding["code"] == "O3" and finding["held"] for finding in found["findings"]):
            desk.tell("why.no_opening")
    if not found["allowed"]:
        raise typer.Exit(_REFUSED)
