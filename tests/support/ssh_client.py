"""Stock OpenSSH clients driven without a person: answers by SSH_ASKPASS, and a terminal by a real pty."""

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.support import openssh
from tests.support.waiting import PATIENCE

_ASKPASS = """#!/bin/sh
cd "$ECLUSE_ANSWERS" || exit 1
printf '%s\\n' "$1" >> prompts
read -r n < next
echo $((n + 1)) > next
[ -e "answer.$n" ] || exit 1
IFS= read -r answer < "answer.$n"
printf '%s\\n' "$answer"
"""
"""Answers the next prompt with the shell's own words alone: a log-in asks twice, and each `cat` was a process."""


@dataclass(frozen=True)
class Finished:
    """How a client ended, what it wrote, and the prompts it was asked, in order."""

    rc: int
    stdout: bytes
    stderr: bytes
    prompts: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Everything on standard error, as text."""
        return self.stderr.decode("utf-8", "replace")


class SshClient:
    """Runs ssh, scp, sftp and rsync against one server, with nothing of the account that runs the tests."""

    def __init__(self, host: str, port: int, host_key: str, directory: Path) -> None:
        """Trust the public line *host_key* of the server at *host* and *port*; keep files in *directory*."""
        self.host = host
        self.port = port
        self.directory = directory
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(f"[{host}]:{port} {host_key}\n")
        self._askpass = directory / "askpass"
        self._askpass.write_text(_ASKPASS)
        self._askpass.chmod(0o700)

    def options(self, key: Path | None = None) -> list[str]:
        """Return the options every client needs: no configuration, no agent, this server's key."""
        given = openssh.options(self.known_hosts)
        if key is not None:
            given += ["-i", str(key)]
        return given

    def command(
        self, user: str, *arguments: str, options: Sequence[str] = (), key: Path | None = None
    ) -> list[str]:
        """Return the ``ssh`` command line for *user* and the remote *arguments*."""
        target = [f"{user}@{self.host}"]
        return ["ssh", *options, *self.options(key), "-p", str(self.port), *target, *arguments]

    async def run(
        self,
        command: Sequence[str],
        *,
        input: bytes | None = b"",  # noqa: A002 - the word of subprocess
        answers: Sequence[str] = (),
        seconds: float = PATIENCE,
    ) -> Finished:
        """Run any client to its end; killed, and TimeoutError raised, after *seconds*."""
        folder = self._answers(answers)
        process = await self.start(command, folder)
        try:
            out, err = await asyncio.wait_for(process.communicate(input), seconds)
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        asked = folder / "prompts"
        prompts = tuple(asked.read_text().splitlines()) if asked.exists() else ()
        return Finished(process.returncode if process.returncode is not None else -1, out, err, prompts)

    async def ssh(
        self,
        user: str,
        *arguments: str,
        input: bytes | None = b"",  # noqa: A002 - the word of subprocess
        answers: Sequence[str] = (),
        options: Sequence[str] = (),
        key: Path | None = None,
        seconds: float = PATIENCE,
    ) -> Finished:
        """Run ``ssh user@server arguments``."""
        command = self.command(user, *arguments, options=options, key=key)
        return await self.run(command, input=input, answers=answers, seconds=seconds)

    async def start(
        self, command: Sequence[str], folder: Path | None = None, *, answers: Sequence[str] = ()
    ) -> asyncio.subprocess.Process:
        """Start a client with pipes and leave it to the caller."""
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(folder or self._answers(answers)),
            start_new_session=True,
        )

    @asynccontextmanager
    async def terminal(
        self,
        command: Sequence[str],
        *,
        answers: Sequence[str] = (),
        size: tuple[int, int] = (24, 80),
    ) -> AsyncIterator["Terminal"]:
        """Run a client on a terminal of *size* (rows, columns); it is killed at the end if it still runs."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        process = await asyncio.create_subprocess_exec(
            "setsid",
            "--ctty",
            "--wait",
            *command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**self.environment(self._answers(answers)), "TERM": "xterm"},
        )
        os.close(slave)
        terminal = Terminal(master, process)
        try:
            yield terminal
        finally:
            await terminal.close()

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the whole environment of a client whose answers lie in *folder*."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "SSH_ASKPASS": str(self._askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "ECLUSE_ANSWERS": str(folder),
        }

    def _answers(self, answers: Sequence[str]) -> Path:
        folder = Path(mkdtemp(prefix="answers.", dir=self.directory))
        (folder / "next").write_text("0\n")
        for number, answer in enumerate(answers):
            (folder / f"answer.{number}").write_text(f"{answer}\n")
        return folder


class Terminal:
    """The master's side of a client's terminal. ``seen`` is everything shown so far."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        """Read *master* until *process* ends."""
        self._master = master
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._reading = False
        self._closed = False
        self.process = process
        self.seen = b""
        self._looked = 0
        os.set_blocking(master, False)
        self.resume()

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.stop_reading()
        self.seen += data
        self._more.set()

    def stop_reading(self) -> None:
        """Read no more, as a terminal whose window is stuck."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._master)

    def resume(self) -> None:
        """Read again."""
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._master, self._readable)

    def send(self, data: bytes) -> None:
        """Type *data*."""
        os.write(self._master, data)

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def expect(self, wanted: bytes, seconds: float = PATIENCE) -> bytes:
        """Wait until *wanted* appears after what the last call found; return everything up to its end."""
        async with asyncio.timeout(seconds):
            while True:
                found = self.seen.find(wanted, self._looked)
                if found >= 0:
                    start, self._looked = self._looked, found + len(wanted)
                    return self.seen[start : self._looked]
                self._more.clear()
                await self._more.wait()

    async def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the client's end and return its exit status."""
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def close(self) -> None:
        """End the client if it runs, and the terminal."""
        if self._closed:
            return
        self._closed = True
        self.stop_reading()
        os.close(self._master)  # the client gets SIGHUP
        try:
            await asyncio.wait_for(self.process.wait(), 60)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
