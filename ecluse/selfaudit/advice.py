"""What pip-audit says of known vulnerabilities, asked one service at a time.

It ends with 0 as well where nobody answered it, so its exit code is not looked at: what was not looked up is told as what
it is, not audited.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

SERVICES: Final = ("osv", "pypi")
LIMIT: Final = 120.0
"""Seconds for each service: a network that swallows everything must hold nobody."""
_OURS: Final = "ecluse"
"""No index of others knows the product itself."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What one service told: how many it looked up, which are vulnerable, and which it knows nothing of."""

    looked: int
    vulnerable: tuple[str, ...]
    skipped: tuple[str, ...]


class NotAudited(Exception):
    """Nobody could be asked; the text says why."""


async def ask(command: Sequence[str], what: Sequence[str], service: str) -> Advice:
    """Ask one *service* about *what* (arguments of pip-audit). Raises NotAudited."""
    with tempfile.TemporaryDirectory(prefix="ecluse-advisories-") as cache:
        arguments = (*command, *what, "--vulnerability-service", service, "--format", "json")
        quiet = ("--progress-spinner", "off", "--desc", "off", "--cache-dir", cache)
        said, complained = await _run((*arguments, *quiet))
    try:
        found: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, LookupError, TypeError) as error:
        lines = complained.decode(errors="replace").strip().splitlines()
        raise NotAudited(lines[-1][:160] if lines else "no answer") from error
    vulnerable = [
        f"{one['name']} {one['version']}: {fault['id']}, "
        f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for one in found
        for fault in one.get("vulns", [])
    ]
    skipped = [one["name"] for one in found if "skip_reason" in one and one["name"] != _OURS]
    return Advice(sum("skip_reason" not in one for one in found), tuple(vulnerable), tuple(skipped))


async def _run(arguments: Sequence[str]) -> tuple[bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT):
            return await process.communicate()
    except TimeoutError as error:
        raise NotAudited(f"no answer in {LIMIT:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
