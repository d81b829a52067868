"""A terminal through the gateway, as a person has it: prompts, sizes, interrupts, breaks, ends, and the menu."""

import time
from pathlib import Path

import pytest

from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, output, running_bastion
from tests.support.dialogue import AT_THE_TERMINAL, log_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

PROMPT = b"maint@scan01"
INTERRUPT_SECONDS = 0.3


@pytest.mark.client("OpenSSH ssh", "password + code", "shell")
async def test_a_person_at_a_terminal_logs_in_and_works(bastion: Bastion) -> None:
    """Banner, rule, refusal and prompts read well at ssh's own log level; password and code give a shell."""
    password, code = bastion.answers()
    command = [*AT_THE_TERMINAL, *bastion.client.command("alice+scan01", options=["-o", "LogLevel=INFO"])]
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, [password, "000000"])
        await terminal.expect(b"REFUS : mot de passe ou code inexact")
        await terminal.expect(b"REFUSED: password or code is wrong")
        asked = terminal.seen.decode()
        await log_in(terminal, [password, code])
        assert (
            "Un code ne sert qu'une fois. Pour une autre connexion, ou en cas de refus, attendez le suivant."
            in asked
        )
        assert "Tout ce qui passe ici est enregistré, contrôlé, et peut être suivi en direct." in asked
        assert "\\303" not in asked  # what ssh makes of an accent where it does not expect one
        await terminal.expect(b"scan01")
        await terminal.expect(PROMPT)
        terminal.send(b"echo six''seven; exit 5\n")
        await terminal.expect(b"sixseven")
        assert await terminal.wait() == 5
        assert password.encode() not in terminal.seen
        assert bastion.world.account_secret.reveal().encode() not in terminal.seen


async def test_a_change_of_size_wakes_what_runs_on_the_device(bastion: Bastion) -> None:
    """From 24x80 to 41x133: the device's process is told by its signal and reads the new size."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers(), size=(24, 80)) as terminal:
        await terminal.expect(PROMPT)
        terminal.send(b"stty size; trap 'echo now $(stty size)' WINCH; echo re''ady; cat & wait\n")
        await terminal.expect(b"24 80")
        await terminal.expect(b"ready")
        terminal.resize(41, 133)
        await terminal.expect(b"now 41 133")
    await bastion.closed()
    sizes = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.RESIZE]
    assert sizes == [{"columns": 133, "rows": 41}]


@pytest.mark.alone
async def test_an_interrupt_is_answered_at_once(bastion: Bastion) -> None:
    """Ctrl-C ends the foreground process, and the device's prompt is back within 0.3 s."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(PROMPT)
        terminal.send(b"sh -c \"echo fore''ground; exec sleep 60\"\n")
        await terminal.expect(b"foreground")
        began = time.monotonic()
        terminal.send(b"\x03")
        await terminal.expect(PROMPT)
        assert time.monotonic() - began <= INTERRUPT_SECONDS


async def test_a_break_reaches_the_device(tmp_path: Path) -> None:
    """The escape ~B of ssh arrives at the device's server as a break, and stands in the trace."""
    async with running_bastion(tmp_path, sshd_config="LogLevel DEBUG1") as bastion:
        command = bastion.client.command("alice+scan01", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(PROMPT)
            terminal.send(b"\r~B")
            await eventually(lambda: "request break" in bastion.device.log())
        await bastion.closed()
        breaks = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.BREAK]
        assert breaks == [{"milliseconds": 1000}]


async def test_a_shell_that_is_killed_ends_by_its_signal(bastion: Bastion) -> None:
    """Where the device's shell dies by a signal, ssh ends with 255 and the trace says which."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(PROMPT)
        terminal.send(b"kill -KILL $$\n")
        assert await terminal.wait() == 255
    await bastion.closed()
    exits = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.EXIT]
    assert exits == [{"core_dumped": False, "signal": "KILL"}]


@pytest.mark.client("OpenSSH ssh", "password + code", "menu")
async def test_the_menu_opens_what_is_chosen(bastion: Bastion) -> None:
    """Without a device a terminal shows what is open; a wrong choice is said, a number opens the device's shell."""
    command = bastion.client.command("alice", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers(), size=(24, 132)) as terminal:
        menu = await terminal.expect(b"quitter) > ")
        assert b"scan01" in menu
        assert "Mise à jour du logiciel".encode() in menu
        assert b"13:30" in menu
        terminal.send(b"mri02\r")
        assert b"mri02" in await terminal.expect(b"quitter) > ")
        terminal.send(b"1\r")
        await terminal.expect(PROMPT)
        terminal.send(b"stty size; exit 6\n")
        await terminal.expect(b"24 132")
        assert await terminal.wait() == 6
    await bastion.closed()
    assert b"24 132" in output(await bastion.frames())


async def test_the_menu_is_left_without_a_session(bastion: Bastion) -> None:
    """Leaving the menu ends the connection with status 0; nothing was dialled and no trace exists."""
    command = bastion.client.command("alice", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"quitter) > ")
        terminal.send(b"q\r")
        assert await terminal.wait() == 0
    assert "Connection from" not in bastion.device.log()
    assert bastion.sessions() == []


async def test_a_window_without_a_shell_is_no_way_to_one_by_the_menu(bastion: Bastion) -> None:
    """The menu shows the device, yet a window for files alone gives no terminal by it: refused with its rule."""
    await bastion.world.services.windows.cancel(
        bastion.world.who("dsi"), bastion.world.id, bastion.world.window.id, reason="files only"
    )
    await bastion.world.add_window(channels=[Channel.SFTP_UP])
    command = bastion.client.command("alice", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"quitter) > ")
        terminal.send(b"scan01\r")
        await terminal.expect(b"PGSSIS-C7")
        assert await terminal.wait() == 1


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("list", 0, ["scan01", "maint", "13:30", "Mise à jour du logiciel"]),
        ("why scan01", 0, ["PGSSIS-O3", "PGSSIS-C2", "PGSSIS-T9", "[oui]"]),
        ("why nothere", 1, ["PGSSIS-O3", "[NON]"]),
        ("help", 0, ["list", "why", "RSSI, poste 4242"]),
        ("why", 2, ["why ÉQUIPEMENT"]),
        ("cat /etc/passwd", 2, ["help"]),
    ],
)
async def test_the_menu_as_plain_commands(
    bastion: Bastion, command: str, status: int, said: list[str]
) -> None:
    """Without a device, ``list``, ``why`` and ``help`` answer as text with a status, and nothing else runs."""
    ended = await bastion.client.ssh("alice", *command.split(), answers=bastion.answers())
    assert ended.rc == status
    text = ended.stdout.decode() + ended.said
    assert [word for word in said if word not in text] == []
    assert "root:" not in text
    assert "Connection from" not in bastion.device.log()
