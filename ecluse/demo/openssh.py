"""Drives the machine's own OpenSSH client as a technician would, answering its prompts."""

import asyncio
import os
import shlex
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ecluse.demo.device_files import sftp_server, sshd_program
from ecluse.demo.errors import DemoError

ANSWER_SECONDS = 60.0

ASKPASS = """\
#!/bin/sh
# gives the next answer of the queue, and takes it off
head -n 1 {queue}
sed -i 1d {queue}
"""


def check_installed() -> None:
    """Raise DemoError naming every program that a demonstration needs and this machine lacks."""
    missing = [
        DemoError("demo.not_installed", program=program, package="openssh-client")
        for program in ("ssh", "sftp", "scp")
        if shutil.which(program) is None
    ]
    for look_for in (sshd_program, sftp_server):
        try:
            look_for()
        except DemoError as error:
            missing.append(error)
    if missing:
        raise DemoError.together(missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a client ended."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Everything it wrote, as text."""
        return (self.out + self.err).decode("utf-8", "replace")


class OpenSsh:
    """Stock clients that trust one ``known_hosts`` file and answer prompts from a queue of their own."""

    def __init__(self, directory: Path, host: str, port: int, known_hosts: Path) -> None:
        """Keep the answers and the control sockets in *directory*, which is made if missing."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory.resolve()
        self._host = host
        self._port = port
        self._known_hosts = known_hosts.resolve()
        self._runs = 0

    def options(self) -> list[str]:
        """Return the options every client gets."""
        return [
            "-F", "none",
            "-o", f"UserKnownHostsFile={self._known_hosts}",
            "-o", "GlobalKnownHostsFile=none",
            "-o", "StrictHostKeyChecking=yes",
            "-o", "IdentityAgent=none",
            "-o", "NumberOfPasswordPrompts=1",
        ]  # fmt: skip

    def control(self, name: str) -> list[str]:
        """Return the options that share one connection between clients, under *name*."""
        # from where the clients run: the path of a socket holds 107 bytes (unix(7)), and we may lie deep
        return ["-o", f"ControlPath={name}.sock"]

    def road(self, name: str, login: str, destination: str) -> list[str]:
        """Return the options of a jump to *destination* over the connection that *login* shares under *name*."""
        outer = ["ssh", *self.options(), *self.control(name), "-p", str(self._port), "-W", destination]
        return ["-o", f"ProxyCommand={shlex.join([*outer, self.place(login)])}"]

    async def start(
        self, program: str, arguments: Sequence[str], answers: Sequence[str] = (), *, piped: bool = False
    ) -> asyncio.subprocess.Process:
        """Start *program* (ssh, sftp, scp); its prompts get *answers* in turn. Raises DemoError if it is missing."""
        self._runs += 1
        queue = self._directory / f"answers-{self._runs}"
        queue.write_text("".join(f"{answer}\n" for answer in answers))
        askpass = self._directory / f"askpass-{self._runs}"
        askpass.write_text(ASKPASS.format(queue=shlex.quote(str(queue))))
        askpass.chmod(stat.S_IRWXU)
        port = "-p" if program == "ssh" else "-P"
        try:
            return await asyncio.create_subprocess_exec(
                program, *self.options(), port, str(self._port), *arguments,
                cwd=self._directory,
                stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "TERM": "xterm"},
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise DemoError("demo.not_installed", program=program, package="openssh-client") from error

    async def run(
        self, program: str, arguments: Sequence[str], answers: Sequence[str] = (), typed: bytes | None = None
    ) -> Finished:
        """Run *program* to its end, with *typed* on its standard input. Raises DemoError after a minute."""
        process = await self.start(program, arguments, answers, piped=typed is not None)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                out, err = await process.communicate(typed)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise DemoError(
                "demo.too_long",
                command=shlex.join([program, *arguments]),
                limit=timedelta(seconds=ANSWER_SECONDS),
            ) from error
        return Finished(status=process.returncode or 0, out=out, err=err)

    def place(self, login: str) -> str:
        """Return ``login@host``."""
        return f"{login}@{self._host}"
