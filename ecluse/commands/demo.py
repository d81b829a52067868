"""``ecluse demo``: a bastion with two real devices, on this machine, in one command."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.desk import Desk
from ecluse.profile import state_file

if TYPE_CHECKING:
    from ecluse.demo.cast import Actor
    from ecluse.demo.scene import Scene

REFRESH_SECONDS = 1.0
STEP_SECONDS = 30  # RFC 6238: how long a code is shown


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("demo")(demo)


def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Run the main job unattended; exit 0 only if all of it held.")
    ] = False,
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where everything is put; removed at the end.")
    ] = Path(".demo"),
    port: Annotated[int, typer.Option("--port", help="SSH port of the gateway; 0 chooses a free one.")] = 0,
) -> None:
    """Start a bastion with two demo devices, an open window and a closed one, and say what to try.

    What a killed demonstration left in the directory is cleared away first; another directory is never touched.

    Example: ecluse demo --once
    """
    desk = Desk.of(context)
    status = asyncio.run(_play(desk, directory.resolve(), port, once=once))
    if status:
        sys.exit(status)


async def _play(desk: Desk, directory: Path, port: int, *, once: bool) -> int:
    from ecluse.demo.leftovers import collect, make_room
    from ecluse.demo.openssh import check_installed
    from ecluse.demo.scene import Scene
    from policy.clock import SystemClock

    check_installed()
    await asyncio.to_thread(collect)
    if await make_room(directory):
        desk.tell("demo.room_made", folder=str(directory))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    building = asyncio.ensure_future(Scene.build(directory, SystemClock(), desk.tell, port))
    interrupted = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({building, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    if not building.done():
        building.cancel()
        await asyncio.wait({building})
        return 1
    interrupted.cancel()
    scene = building.result()
    try:
        if once:
            return await _rehearse(desk, scene)
        _explain(desk, scene)
        await _show_codes(desk, scene, stopping)
        return 0
    finally:
        try:
            desk.tell("demo.cleaning")
        finally:  # whoever read that may be gone already: Ctrl-C ends the `tee` behind us too
            await scene.close()


async def _rehearse(desk: Desk, scene: "Scene") -> int:
    from ecluse.demo.errors import DemoError
    from ecluse.demo.inquiry import Inquiry
    from ecluse.demo.rehearsal import Rehearsal, StepFailed
    from ecluse.errors import EcluseError
    from recorder.errors import RecorderError

    for key, step in (*Rehearsal(scene, desk.say).steps, *Inquiry(scene, desk.say).steps):
        try:
            seen = await step()
        except (
            StepFailed,
            DemoError,
            EcluseError,
            RecorderError,
            OSError,
            TimeoutError,
            LookupError,
        ) as failure:
            desk.tell("demo.step.failed", promise=desk.say(key))
            said = failure.said(desk.language) if isinstance(failure, DemoError) else str(failure)
            typer.echo(said or type(failure).__name__)
            return 1
        desk.tell("demo.step.held", promise=desk.say(key), seen=seen)
    desk.tell("demo.held")
    return 0


def _explain(desk: Desk, scene: "Scene") -> None:
    from ecluse.demo.scene import ACCOUNT, CLOSED_DEVICE, HOST, OPEN_DEVICE

    alice, bob = scene.troupe.alice, scene.troupe.bob
    staff = (scene.troupe.operator, scene.troupe.dsi, scene.troupe.rssi)

    def what_for(one: "Actor") -> str:
        roles = ", ".join(desk.say(f"role.{role}") for role in one.roles)
        return f"{one.login}   {one.password}   ({roles})"

    command, package = sys.argv[0], scene.directory / "evidence.zip"
    verifier = scene.directory / "verify.py"
    ssh = f"ssh -p {scene.ssh_port} -o UserKnownHostsFile={scene.known_hosts} alice+{OPEN_DEVICE}@{HOST}"
    jump = f"ssh -F {scene.ssh_config} -J alice@{HOST}:{scene.ssh_port} {ACCOUNT}@{OPEN_DEVICE}"
    desk.tell("demo.ready", path=str(state_file(desk.environment)))
    lines = [
        ("demo.say.ssh", ssh),
        ("demo.say.password", alice.password),
        ("demo.say.code", alice.shown_code(scene.clock)),
        ("demo.say.jump", jump),
        ("demo.say.closed", ssh.replace(OPEN_DEVICE, CLOSED_DEVICE)),
        ("demo.say.second", bob.password),
        ("demo.say.console", "\n".join([f"{scene.url}/console", *map(what_for, staff)])),
        (
            "demo.say.environment",
            (
                f"export ECLUSE_API_URL={scene.url} ECLUSE_API_CA={scene.data}/tls/ca.pem "
                f"ECLUSE_API_TOKEN_FILE={scene.token_file}"
            ),
        ),
        ("demo.say.why", f"{command} why alice {CLOSED_DEVICE}"),
        ("demo.say.sessions", f"{command} sessions list"),
        ("demo.say.cut", f"{command} sessions cut SESSION --reason exercice"),
        ("demo.say.traces", f"{command} traces list"),
        ("demo.say.replay", f"{command} traces replay SESSION --idle-cut 1 --reason exercice"),
        ("demo.say.watch", f"{command} sessions watch SESSION --reason exercice"),
        ("demo.say.search", f"{command} search {ACCOUNT} --reason exercice"),
        ("demo.say.alarms", f"{command} alarms test; {command} alarms list"),
        ("demo.say.verify", f"{command} traces verify --all"),
        ("demo.say.evidence", f"{command} evidence make SESSION --reason exercice --output {package}"),
        ("demo.say.verifier", f"{command} audit verifier > {verifier}; python3 {verifier} {package}"),
        ("demo.say.document", str(scene.data / "demo.json")),
    ]
    for key, value in lines:
        # whole and on lines of their own, so that they can be copied
        typer.echo(f"\n# {desk.say(key)}\n{value}")
    typer.echo()


async def _show_codes(desk: Desk, scene: "Scene", stopping: asyncio.Event) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    screen = Console(file=sys.stdout, highlight=False)
    if not screen.is_terminal:
        await stopping.wait()
        return

    def codes() -> Text:
        cast = scene.troupe
        people = (cast.alice, cast.bob, cast.operator, cast.dsi, cast.rssi)
        shown = "   ".join(f"{person.login} {person.shown_code(scene.clock)}" for person in people)
        left = STEP_SECONDS - int(scene.clock.now().timestamp()) % STEP_SECONDS
        return Text(desk.say("demo.codes", codes=shown, seconds=left))

    with Live(codes(), console=screen, auto_refresh=False) as live:
        while not stopping.is_set():
            live.update(codes(), refresh=True)
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                continue
