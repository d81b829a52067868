"""A demonstration leaves nothing behind: no process, and no folder full of secrets."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


async def test_a_demo_that_nobody_reads_any_more_cleans_up_all_the_same(tmp_path: Path) -> None:
    """Its terminal closed, and its output gone with it, it still ends and removes everything."""
    folder = tmp_path / "demo"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ecluse", "demo", "--directory", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(200):
            while b"demo.json" not in await process.stdout.readline():
                assert process.returncode is None
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # the reading end
        process.send_signal(signal.SIGHUP)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert not folder.exists()
