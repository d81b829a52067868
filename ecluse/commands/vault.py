"""``ecluse vault``: the key under which the devices' secrets are sealed."""

import asyncio

import typer
from rich.progress import Progress, TextColumn

from ecluse import composition
from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from policy import services
from policy.clock import SystemClock
from policy.services.vault import RotationProgress
from policy.settings import PolicySettings

app = typer.Typer(help="The key under which the devices' secrets are sealed.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the noun to the command tree."""
    root.add_typer(app, name="vault")


@app.command()
def rotate(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Make a new key and seal every secret again under it. Interrupted, it goes on where it stood.

    Example: ecluse vault rotate --config /var/lib/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    result = asyncio.run(_rotate(composition.policy_settings(load(config))))
    desk.done(result, "vault.rotated", sealing_key=result["key"], resealed=result["resealed"])


async def _rotate(settings: PolicySettings) -> dict[str, object]:
    built = await services.build(settings, SystemClock())
    try:
        with Progress(
            TextColumn("{task.description}"), TextColumn("{task.completed}"), transient=True
        ) as screen:
            bar = screen.add_task("vault", total=None)

            def show(step: RotationProgress) -> None:
                screen.update(bar, description=step.step.value, completed=step.resealed)

            rotation = await built.vault.rotate(show)
    finally:
        await built.close()
    return {"key": rotation.key_id, "resealed": rotation.resealed, "resumed": rotation.resumed}


@app.command()
def prune(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Remove the retired keys that seal nothing any more.

    Example: ecluse vault prune --config /var/lib/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    removed = asyncio.run(_prune(composition.policy_settings(load(config))))
    desk.done({"removed": list(removed)}, "vault.pruned" if removed else "vault.nothing_pruned", keys=removed)


async def _prune(settings: PolicySettings) -> tuple[str, ...]:
    built = await services.build(settings, SystemClock())
    try:
        return await built.vault.prune()
    finally:
        await built.close()
