"""A process that records until it is killed; the test that starts it reads what it says it let pass.

Arguments: the folder prepared, the session's identifier. Each line on standard output is the
number of a frame whose `then` was called: that frame has passed.
"""

import asyncio
import sys
from pathlib import Path

from recorder.trace.frames import FrameType
from tests.support.traces import header, studio


async def main(folder: Path, session_id: str) -> None:
    """Record for ever."""
    async with studio(folder) as made:
        recording = await made.recorder.open(header(session_id), _failed)
        passed = asyncio.Event()
        number = 0

        def let_pass(which: int) -> None:
            sys.stdout.write(f"{which}\n")
            sys.stdout.flush()
            if which == number - 1:
                passed.set()

        while True:
            passed.clear()
            for _ in range(7):
                payload = b"%d:" % number + b"x" * (number * 37 % 5000)
                recording.record(FrameType.OUTPUT, 1, payload, lambda which=number: let_pass(which))  # type: ignore[misc]  # a lambda's default has no type of its own
                number += 1
            await passed.wait()


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
