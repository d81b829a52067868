"""The OpenSSH client that people have, run without anything of the account that runs the tests."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit status and all that it said."""

    status: int
    output: bytes
    errors: bytes


def options(known_hosts: Path, *, key: Path | None = None) -> list[str]:
    """Give the options under which ssh, scp and sftp read no configuration, agent or key but the test's own."""
    given = [
        "-F",
        "none",
        "-o",
        f"UserKnownHostsFile={known_hosts}",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "LogLevel=ERROR",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "IdentityAgent=none",
    ]
    if key is not None:
        given += ["-i", str(key), "-o", "BatchMode=yes"]
    return given


async def run(*arguments: str, stdin: bytes = b"", seconds: float = PATIENCE) -> Finished:
    """Run a command to its end; it is killed, and TimeoutError raised, after *seconds*."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(stdin), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Finished(process.returncode if process.returncode is not None else -1, output, errors)
