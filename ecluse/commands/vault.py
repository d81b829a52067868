"""``ecluse vault``: the key under which the devices' secrets are sealed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk

if TYPE_CHECKING:
    from policy.services import Services
    from policy.services.vault import RotationProgress

group = typer.Typer(help="The key under which the devices' secrets are sealed.", no_args_is_help=True)


@group.command()
def rotate(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Make a new key and seal every secret again under it. Interrupted, it goes on where it stood.

    Example: ecluse vault rotate --config /var/lib/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    result = asyncio.run(_rotate(config))
    desk.done(result, "vault.rotated", sealing_key=result["key"], resealed=result["resealed"])


async def _rotate(config: Path | None) -> dict[str, object]:
    from rich.progress import TextColumn

    from ecluse.progress import progress

    columns = (TextColumn("{task.description}"), TextColumn("{task.completed}"))
    with progress(*columns) as screen:
        bar = screen.add_task("vault", total=None)

        def show(step: "RotationProgress") -> None:
            screen.update(bar, description=step.step.value, completed=step.resealed)

        async with _services(config) as built:
            rotation = await built.vault.rotate(show)
    return {"key": rotation.key_id, "resealed": rotation.resealed, "resumed": rotation.resumed}


@group.command()
def prune(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Remove the retired keys that seal nothing any more.

    Example: ecluse vault prune --config /var/lib/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    removed = asyncio.run(_prune(config))
    desk.done({"removed": list(removed)}, "vault.pruned" if removed else "vault.nothing_pruned", keys=removed)


async def _prune(config: Path | None) -> tuple[str, ...]:
    async with _services(config) as built:
        return await built.vault.prune()


@asynccontextmanager
async def _services(config: Path | None) -> "AsyncIterator[Services]":
    from ecluse import composition
    from policy import services
    from policy.clock import SystemClock

    built = await services.build(composition.policy_settings(load(config)), SystemClock())
    try:
        yield built
    finally:
        await built.close()
