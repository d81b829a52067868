"""How long a keystroke takes to come back, seen by one real client at a terminal.

Run as ``python -m bench.echo``, a process of its own that does nothing else, so that what the measuring program does
besides is not measured. Reads one line of JSON, then numbers of keystrokes; prints one line of JSON for each.
"""

import asyncio
import itertools
import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from string import ascii_lowercase

from bench import clients
from bench.clients import Entry
from bench.crowd import seated
from bench.errors import BenchError
from bench.ground import Ground, Route
from bench.results import Results

STROKES_A_SECOND = 5.0
# the shell itself makes 2 KB a second in five pieces: `read` waits a fifth of a second and no process is started
BUSY = "while :; do IFS= read -r -t 0.2 line; printf '%0400d\\n' 0; done"
BUSY_MARKER = b"0000\r\n"
PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 10.0
SPARE_SECONDS = 60.0
LINE = 60
READY = b"begin"

Typed = Callable[[int], Awaitable[list[float]]]


async def alone(
    ground: Ground, results: Results, row: str, strokes: int, step: Callable[[str], None]
) -> None:
    """Time *strokes* keystrokes by each route while nothing else goes on."""
    for route in Route:
        step(f"{row}, {route.value}")
        results.add(row, route, *await timed(ground.entry(route), strokes))


async def among(
    ground: Ground, results: Results, row: str, strokes: int, busy: int, step: Callable[[str], None]
) -> None:
    """Time *strokes* keystrokes by each route while *busy* sessions work by the same route."""
    for route in Route:
        step(f"{row}, {route.value}: seating {busy} sessions")
        entries = [ground.entry(route) for _ in range(busy)]
        async with seated(entries, words=[BUSY], marker=BUSY_MARKER, strokes=STROKES_A_SECOND):
            results.add(row, route, *await timed(ground.entry(route), strokes))


async def timed(entry: Entry, strokes: int) -> list[float]:
    """Return how many milliseconds each of *strokes* keystrokes took by *entry*; raises BenchError."""
    async with typist(entry) as typed:
        return await typed(strokes)


@asynccontextmanager
async def typist(entry: Entry) -> AsyncIterator[Typed]:
    """Log in by *entry*, in another process; what is given types so many keystrokes and returns their milliseconds.

    Raises BenchError, as what is given does.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=clients.ROOT,
    )  # fmt: skip

    async def asked(line: str, seconds: float) -> list[float]:
        if process.stdin is None or process.stdout is None:
            raise BenchError("the typist has no standard streams")
        process.stdin.write(f"{line}\n".encode())
        try:
            async with asyncio.timeout(seconds):
                said = await process.stdout.readline()
        except TimeoutError:
            raise BenchError("the keystrokes took too long") from None
        answer = json.loads(said or b'{"error": "the measuring client ended without a word"}')
        if "error" in answer:
            raise BenchError(answer["error"])
        return [float(value) for value in answer["milliseconds"]]

    async def typed(strokes: int) -> list[float]:
        return await asked(str(strokes), SPARE_SECONDS + strokes * (PAUSE_SECONDS + ANSWER_SECONDS / 100))

    try:
        await asked(json.dumps(entry.document()), clients.LOGIN_SECONDS + SPARE_SECONDS)
        yield typed
    finally:
        if process.stdin is not None:
            process.stdin.close()  # it then ends its client, and itself
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 2 * clients.END_SECONDS)
        await clients.stop(process)


class _Terminal:
    """A client at a terminal of the device, whose echo is the device's own."""

    def __init__(self, entry: Entry) -> None:
        self._client = subprocess.Popen(
            [*entry.arguments("ssh", "-tt"), f"echo {READY.decode()}; exec cat > /dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=entry.environment(),
        )  # fmt: skip
        if self._client.stdin is None or self._client.stdout is None:
            raise BenchError("the client has no standard streams")
        self._keys = self._client.stdin.fileno()
        self._screen = self._client.stdout.fileno()

    def wait_for(self, text: bytes, seconds: float) -> None:
        """Read until *text* has come; raises BenchError."""
        shown = b""
        deadline = time.monotonic() + seconds
        while text not in shown:
            ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._screen, 65536) if ready else b""
            if not piece:
                raise BenchError(f"{text!r} did not come, but {shown[-300:]!r}")
            shown += piece

    def stroke(self, key: bytes) -> float:
        """Press *key* and return the milliseconds until it shows."""
        started = time.perf_counter()
        os.write(self._keys, key)
        self.wait_for(key, ANSWER_SECONDS)
        return (time.perf_counter() - started) * 1000

    def close(self) -> None:
        """End the client."""
        self._client.terminate()
        try:
            self._client.wait(clients.END_SECONDS)
        except subprocess.TimeoutExpired:
            self._client.kill()
            self._client.wait()


def _type(terminal: _Terminal, strokes: int) -> list[float]:
    keys = itertools.cycle(ascii_lowercase.encode())
    taken: list[float] = []
    while len(taken) < strokes:
        if len(taken) % LINE == LINE - 1:
            terminal.stroke(b"\n")
        taken.append(terminal.stroke(bytes([next(keys)])))
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
    return taken


def _answer(milliseconds: list[float]) -> None:
    print(json.dumps({"milliseconds": milliseconds}), flush=True)


def _serve() -> None:
    terminal = _Terminal(Entry.of(json.loads(sys.stdin.readline())))
    try:
        terminal.wait_for(READY, clients.LOGIN_SECONDS)
        time.sleep(1.0)
        _answer([])
        for line in sys.stdin:
            _answer(_type(terminal, int(line)))
            terminal.stroke(b"\n")
    except BenchError as error:
        print(json.dumps({"error": str(error)}), flush=True)
    finally:
        terminal.close()


if __name__ == "__main__":
    _serve()
