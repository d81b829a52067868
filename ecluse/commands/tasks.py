"""``ecluse tasks``: what gateways were asked to do on devices, and what came of it."""

import time

import typer

from ecluse import names
from ecluse.client import Json
from ecluse.desk import AsJson, Desk
from ecluse.errors import EcluseError
from ecluse.tables import Column, whole

group = typer.Typer(no_args_is_help=True, help="What gateways were asked to do on devices.")

_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0
_OVER = ("done", "failed")


@group.command("list", epilog="Example: ecluse tasks list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the device tasks, the newest first."""
    desk = Desk.of(context, as_json)
    found = list(desk.client.items("/v1/tasks", at_most=100))
    devices = names.devices_by_id(desk.client)
    rows = [
        (
            desk.moment(item["requested_at"]),
            desk.word("task", item["kind"]),
            devices.get(item["device_id"], item["device_id"]),
            desk.word("task", item["state"]),
            (item["result"] or {}).get("detail") if item["state"] == "failed" else None,
        )
        for item in found
    ]
    columns = (
        *whole("field.requested_at", "field.kind", "field.device", "field.state"),
        Column("field.details"),
    )
    desk.show_table(columns, rows, found)


def wait_for(desk: Desk, task: Json) -> Json:
    """Wait until a gateway has done *task* and return it as it then is.

    Raises EcluseError where it failed, or is not over in a minute.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while task["state"] not in _OVER:
        if time.monotonic() >= deadline:
            raise EcluseError("tasks.nobody" if task["state"] == "asked" else "tasks.unfinished")
        time.sleep(_PAUSE_SECONDS)
        task = desk.client.get(f"/v1/tasks/{task['id']}")
    if task["state"] == "failed":
        result = task.get("result") or {}
        raise EcluseError("tasks.failed", why=str(result.get("detail") or ""))
    return task
