"""A demonstration leaves nothing behind: no process, and no folder full of secrets."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "terminal closed"])
async def test_a_demo_that_nobody_reads_any_more_cleans_up_all_the_same(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Its output gone (a `tee` that Ctrl-C ended first, a terminal closed), it still ends and removes everything."""
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
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert not folder.exists()
