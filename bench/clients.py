"""OpenSSH clients that log in by themselves, by any of the three ways."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyotp

from bench.errors import BenchError

ASKPASS = """\
#!/bin/sh
# one shell and no further process a prompt, so that answering costs all ways the same
case "$1" in
    jump@*) echo "$BENCH_JUMP_PASSWORD" ;;
    *"'s password: ") echo "$BENCH_DEVICE_PASSWORD" ;;
    *Password:*) echo "$BENCH_PASSWORD" ;;
    *) echo "$BENCH_CODE" ;;
esac
"""
ROOT = Path(__file__).resolve().parent.parent
"""Where ``python -m bench...`` finds this package."""
LOGIN_SECONDS = 60.0
END_SECONDS = 5.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One log-in waiting to be made: an ssh_config file, a host in it, options, and how prompts are answered.

    ``totp_secret``, where a code is asked for: it is computed when the client starts, and serves once.
    """

    config: str
    host: str
    answers: Mapping[str, str]
    options: tuple[str, ...] = ()
    totp_secret: str = ""

    def arguments(self, program: str, *options: str) -> list[str]:
        """Return the command line of *program* (ssh, sftp) up to the host, without what follows it."""
        return [program, "-F", self.config, *self.options, *options, self.host]

    def environment(self) -> dict[str, str]:
        """Return the variables of a client that starts now."""
        code = {"BENCH_CODE": pyotp.TOTP(self.totp_secret).now()} if self.totp_secret else {}
        return {**os.environ, **self.answers, **code, "SSH_ASKPASS_REQUIRE": "force", "TERM": "xterm"}

    def document(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Entry":
        """Read what ``document`` gave."""
        return cls(**{**document, "options": tuple(document["options"])})


async def start(
    entry: Entry,
    *options: str,
    words: Sequence[str] = (),
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
) -> asyncio.subprocess.Process:
    """Start ssh by *entry* with *words* as the remote command; the streams are subprocess's constants or files."""
    return await asyncio.create_subprocess_exec(
        *entry.arguments("ssh", *options), *words,
        stdin=stdin, stdout=stdout, stderr=stderr, env=entry.environment(), start_new_session=True,
    )  # fmt: skip


async def seen(process: asyncio.subprocess.Process, marker: bytes, seconds: float = LOGIN_SECONDS) -> None:
    """Read the output of *process* until *marker* stands in it; raises BenchError when it does not come."""
    if process.stdout is None:
        raise BenchError("the client has no output to look at")
    shown = b""
    deadline = time.monotonic() + seconds
    while marker not in shown:
        try:
            piece = await asyncio.wait_for(process.stdout.read(65536), deadline - time.monotonic())
        except TimeoutError:
            raise BenchError(
                f"{marker!r} did not come within {seconds:.0f} s, but {shown[-500:]!r}"
            ) from None
        if not piece:
            raise BenchError(f"the client ended: {shown[-500:]!r} {await _said(process)}")
        shown += piece


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a client and wait for it; one that has ended is no error."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def finished(process: asyncio.subprocess.Process, seconds: float, typed: bytes | None = None) -> None:
    """Wait for *process*, given *typed* on its input; raises BenchError where it fails or takes too long."""
    try:
        _, said = await asyncio.wait_for(process.communicate(typed), seconds)
    except TimeoutError:
        await stop(process)
        raise BenchError(f"a client did not end within {seconds:.0f} s") from None
    if process.returncode:
        text = (said or b"").decode(errors="replace").strip()
        raise BenchError(f"a client ended with {process.returncode}: {text}")


@asynccontextmanager
async def logged_in(entry: Entry, directory: Path) -> AsyncIterator[Entry]:
    """Log in once; the entry given shares that connection, so that what it measures holds no log-in."""
    socket = directory / f"{entry.host}.sock"
    shared = Entry(config=entry.config, host=entry.host, answers={}, options=("-o", f"ControlPath={socket}"))
    master = await start(entry, "-N", "-o", "ControlMaster=yes", "-o", f"ControlPath={socket}")
    try:
        deadline = time.monotonic() + LOGIN_SECONDS
        while not await _answers(shared):
            if master.returncode is not None or time.monotonic() > deadline:
                raise BenchError(f"the log-in by {entry.host} did not succeed: {await _said(master)}")
            await asyncio.sleep(POLL_SECONDS)
        # the bastion dials the device for the first channel
        await finished(await start(shared, words=["true"]), LOGIN_SECONDS)
        yield shared
    finally:
        await stop(master)


def askpass(path: Path) -> Path:
    """Write the program that answers prompts, at *path*; returns it."""
    path.write_text(ASKPASS)
    path.chmod(0o700)
    return path


async def _answers(shared: Entry) -> bool:
    check = await start(shared, "-O", "check", stderr=subprocess.DEVNULL)
    return await check.wait() == 0


async def _said(process: asyncio.subprocess.Process) -> str:
    if process.stderr is None:
        return ""
    try:
        said = await asyncio.wait_for(process.stderr.read(), END_SECONDS)
    except TimeoutError:
        return ""
    return said.decode(errors="replace").strip()[-500:]
