"""Secrets typed where the device shows nothing: in no trace, no index, no journal and no log, whatever asks for them."""

import asyncio
import json
import logging
import shlex
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from recorder.search.indexer import Indexer
from recorder.search.rendering import Bounds
from recorder.trace.frames import FrameType
from tests.support.bastion import Bastion
from tests.support.ssh_client import Terminal

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Case:
    """A program that asks, the prompt it shows, and what it shows once it has read."""

    name: str
    command: str
    prompt: bytes
    done: bytes
    keys: bool = False
    """Typed key by key, as a person does; else at once."""
    around: tuple[bytes, bytes] = (b"", b"")
    """What the terminal puts around a paste."""
    asks: int = 1
    """How many times it asks."""

    @property
    def secret(self) -> bytes:
        """Found nowhere else."""
        return f"Mdp-{self.name}-7Gz".encode()


STARS = """
import sys, termios, tty
old = termios.tcgetattr(0)
tty.setcbreak(0)
sys.stdout.write("Stars: "); sys.stdout.flush()
n = 0
while (c := sys.stdin.read(1)) not in "\\r\\n":
    n += 1
    sys.stdout.write("*"); sys.stdout.flush()
termios.tcsetattr(0, termios.TCSADRAIN, old)
print(f"\\nstars-{n}")
"""
FULL = """
import curses
def ask(screen):
    curses.noecho()
    screen.addstr(3, 4, "Full: ")
    screen.refresh()
    assert screen.getstr(3, 10)
curses.wrapper(ask)
"""
PYTHON = shlex.quote(sys.executable)
AS_NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"
CASES = (
    Case("read", "read -s -p 'Read: ' w; echo; echo read-${#w}", b"Read: ", b"read-"),
    Case("keys", "read -s -p 'Keys: ' w; echo; echo keys-${#w}", b"Keys: ", b"keys-", keys=True),
    Case("readline", "read -e -s -p 'Line: ' w; echo; echo line-${#w}", b"Line: ", b"line-", keys=True),
    Case(
        "paste",
        "read -s -p 'Paste: ' w; echo; echo paste-${#w}",
        b"Paste: ",
        b"paste-",
        around=(b"\x1b[200~", b"\x1b[201~"),
    ),
    Case(
        "getpass",
        f"{PYTHON} -c 'import getpass; print(len(getpass.getpass()), \"gone\")'",
        b"Password: ",
        b"gone",
    ),
    Case("stars", f"{PYTHON} stars.py", b"Stars: ", b"stars-", keys=True),
    Case("su", f"{AS_NOBODY} su root -c true; echo su-$?", b"assword: ", b"su-"),
    Case("sudo", f"{AS_NOBODY} sudo -k true; echo sudo-$?", b"] password for", b"sudo-", asks=3),
    Case("psql", "psql -W -h 127.0.0.1 -p 1 -U x -d x; echo psql-$?", b"Password: ", b"psql-"),
    Case(
        "ssh",
        "ssh -F none -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no "
        "-o NumberOfPasswordPrompts=1 nobody@127.0.0.1 true; echo ssh-$?",
        b"assword: ",
        b"ssh-",
    ),
    Case("curses", f"{PYTHON} full.py; echo curses-$?", b"Full: ", b"curses-0", keys=True),
)


AHEAD = b"Mdp-ahead-7Gz"


async def answer(terminal: Terminal, case: Case, port: int) -> None:
    """Have *case* ask, answer it each time, and wait until it has read."""
    command = case.command.replace("{port}", str(port)).encode()
    terminal.send(command + b"\n")
    await terminal.expect(command[-12:])
    before, after = case.around
    for _ in range(case.asks):
        await terminal.expect(case.prompt)
        if case.keys:
            for key in case.secret:
                terminal.send(bytes([key]))
                await asyncio.sleep(0)
        else:
            terminal.send(before + case.secret + after)
        terminal.send(b"\r")
    await terminal.expect(case.done)
    await terminal.expect(b"scan01> ")


async def index_of(bastion: Bastion, folder: Path) -> bytes:
    """Everything that a search index over the bastion's traces holds."""

    async def hospitals() -> list[str]:
        return [bastion.world.id]

    recorder = bastion.recorder
    indexer = Indexer(
        recorder.database,
        folder,
        hospitals=hospitals,
        store=recorder.store,
        keys=list,
        now=bastion.clock.now,
        bounds=Bounds(),
    )
    while await indexer.step(bastion.world.id):
        pass
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_what_is_typed_unseen_is_kept_nowhere(
    bastion: Bastion, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers to read, readline, getpass, su, sudo, ssh, psql, a full screen and stars, pasted or by key, are kept by length alone."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "stars.py").write_text(STARS)
    (tmp_path / "full.py").write_text(FULL)
    shown = tmp_path / "index"
    command = bastion.client.command("alice+scan01", options=["-tt"])
    with capture_logs() as logs:
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"maint@scan01")
            terminal.resize(40, 250)
            terminal.send(f"cd {tmp_path}; PS1='maint@scan01> '\n".encode())
            await terminal.expect(b"scan01> ")
            for case in CASES:
                await answer(terminal, case, bastion.device.port)
            terminal.send(b"exit\n")
            await terminal.wait()
        await bastion.closed()
    frames = await bastion.frames()
    typed = [json.loads(frame.payload) for frame in frames if frame.type is FrameType.INPUT]
    assert all(list(one) == ["length"] for one in typed)
    assert sum(one["length"] for one in typed) > sum(len(case.secret) * case.asks for case in CASES)
    index = await index_of(bastion, shown)
    assert b"getpass" in index, "what was on the screen is found"
    kept = {
        "trace": b"".join(frame.payload for frame in frames),
        "index": index,
        "journal": repr(await bastion.events()).encode(),
        "logs": (repr(logs) + caplog.text).encode(),
        "files": b"".join(path.read_bytes() for path in bastion.directory.rglob("*") if path.is_file()),
    }
    leaks = [(case.name, where) for case in CASES for where, held in kept.items() if case.secret in held]
    assert leaks == []


async def test_what_the_device_shows_is_kept_as_it_is_shown(bastion: Bastion, tmp_path: Path) -> None:
    """A secret typed before its prompt is echoed by the device's own terminal: on her screen, and so in the trace."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        terminal.send(
            f"cd {tmp_path}; echo wait; until [ -e go ]; do sleep 0.05; done; read -s w; echo got-${{#w}}\n".encode()
        )
        await terminal.expect(b"\rwait\r\n")
        terminal.send(AHEAD + b"\r")
        await terminal.expect(AHEAD)
        (tmp_path / "go").touch()
        await terminal.expect(b"got-13")
        terminal.send(b"exit\n")
        await terminal.wait()
    await bastion.closed()
    frames = await bastion.frames()
    assert AHEAD in b"".join(frame.payload for frame in frames if frame.type is FrameType.OUTPUT)
    assert AHEAD not in b"".join(frame.payload for frame in frames if frame.type is FrameType.INPUT)


async def test_a_secret_without_a_terminal_is_marked(bastion: Bastion) -> None:
    """Input of ``sudo -S`` and a password on a command's line are kept as data, and the trace says that they may be secrets."""
    for command, typed, told in (
        ("sudo -S -k true", b"Mdp-piped-7Gz\n", ["open-secret-input"]),
        ("true --password=Mdp-line-7Gz", b"", ["open-secret-command"]),
        ("cat", b"data\n", []),
    ):
        before = set(bastion.sessions())
        ended = await bastion.client.ssh("alice+scan01", command, input=typed, answers=bastion.answers())
        assert ended.rc is not None
        await bastion.closed()
        [session] = set(bastion.sessions()) - before
        marks = [
            json.loads(frame.payload)["kind"]
            for frame in await bastion.frames(session)
            if frame.type is FrameType.MARKER
        ]
        assert marks == told, command
        bastion.clock.advance(timedelta(seconds=30))
