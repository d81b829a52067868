"""``python -m bench.replay``: how soon a replay of eight hours shows its first picture in a real Chromium, and how it seeks.

Prints a table; asserts nothing. The session is made up: a shell that writes log lines in colours, evenly over the hours.
Needs chromium and chromedriver, and the files of the console (``make setup``).
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from policy.vault.secret import Secret
from recorder.capture.session import Recording
from recorder.trace.frames import FrameType, canonical
from tests.support.api_house import House, open_house
from tests.support.browser import Browser, driver, window
from tests.support.console import give_cookie, session_of
from tests.support.recorded import pass_time, record

HOURS: Final = 8
SECONDS: Final = HOURS * 3600
CHUNK: Final = 900
SEEKS: Final = (0.5, 0.99, 0.25, 0.75)
_FIRST: Final = """
const done = arguments[arguments.length - 1];
const look = setInterval(() => {
  if (document.querySelector("#player .ap-term")?.innerText.includes("tube")) {
    clearInterval(look);
    done(performance.now());
  }
}, 5);
"""
_SEEK: Final = """
const done = arguments[arguments.length - 1];
const [at, wanted] = arguments;
const there = () => {
  const shown = document.querySelector("#player .ap-term")?.innerText ?? "";
  const last = [...shown.matchAll(/tube\\[(\\d+)\\]/g)].pop();
  return last && Math.abs(Number(last[1]) - wanted) <= 5;
};
const link = document.createElement("a");
link.dataset.at = String(at);
link.href = "#";
document.body.append(link);
const begun = performance.now();
link.click();
const look = setInterval(() => {
  if (there()) {
    clearInterval(look);
    done(performance.now() - begun);
  }
}, 4);
"""


def main(
    megabytes: Annotated[
        list[float] | None, typer.Option(help="Output of the session; again for another.")
    ] = None,
) -> None:
    """Measure each size as a console process meets it first and again: right after the session, and once it is indexed."""
    table = Table(title=f"Replay of {HOURS} h in Chromium, milliseconds")
    for heading in ("output", "kept", "first picture", "again", *(f"seek {part:.0%}" for part in SEEKS)):
        table.add_column(heading, justify="right")
    for size in megabytes or [1.0, 5.0, 20.0]:
        with tempfile.TemporaryDirectory() as folder, open_house(Path(folder)) as house:
            for row in _measured(house, size, Path(folder)):
                table.add_row(*row)
    Console().print(table)


def _measured(house: House, megabytes: float, folder: Path) -> Iterator[list[str]]:
    session_id = record(house, _filled(megabytes))
    shown = session_of(house, "rssi")
    sessions = house.world.services.console_sessions
    house.run(sessions.read(house.run(sessions.authenticate(shown)), session_id, "bench"))
    replays = house.search.replays
    house.search.replays = None
    yield [f"{megabytes:g} MB", "–", *_watched(house, session_id, shown, _chunks(megabytes))]
    house.search.replays = replays
    house.run(house.context.recordings.close())
    house.context.recordings._kept.clear()  # noqa: SLF001 - as a console that starts
    step = asyncio.run_coroutine_threadsafe(house.search.step(house.world.id), house.loop)
    step.result()
    kept = sum(path.stat().st_size for path in (folder / "search" / "replay").rglob("*.zip"))
    yield ["", f"{kept / 1e6:.1f} MB", *_watched(house, session_id, shown, _chunks(megabytes))]


def _watched(house: House, session_id: str, shown: Secret, chunks: int) -> list[str]:
    with driver() as chrome, window(chrome) as browser:
        give_cookie(browser, house, shown)
        first, again = (_first(browser, house, session_id) for _ in range(2))
        seeks = [_asynchronous(browser, _SEEK, part * SECONDS, round(part * chunks)) for part in SEEKS]
    return [f"{found:.0f}" for found in (first, again, *seeks)]


def _first(browser: Browser, house: House, session_id: str) -> float:
    house.clock.advance(timedelta(minutes=2))
    browser.go(f"{house.url}/console/sessions/{session_id}/replay?t=60")
    return _asynchronous(browser, _FIRST)


def _asynchronous(browser: Browser, script: str, *arguments: float) -> float:
    return float(browser.command("POST", "/execute/async", {"script": script, "args": list(arguments)}))


def _chunks(megabytes: float) -> int:
    return max(1, int(megabytes * 1e6 / CHUNK))


def _filled(megabytes: float) -> Callable[[Recording], None]:
    chance, chunks = random.Random(1), _chunks(megabytes)

    def fill(recording: Recording) -> None:
        pty = {"pty": {"term": "xterm-256color", "columns": 120, "rows": 40}, "request": "shell"}
        recording.record(FrameType.REQUEST, 1, canonical(pty))
        for number in range(chunks):
            pass_time(recording, SECONDS / chunks)
            text = "\x1b[H\x1b[2J" if number % 40 == 0 else ""
            while len(text) < CHUNK - 60:
                colour, value = chance.randrange(8), chance.randrange(1 << 48)
                text += f"\x1b[0;3{colour}m{value:012x}\x1b[0m tube[{number}]: état {value % 977}\r\n"
            recording.record(FrameType.OUTPUT, 1, text.encode())

    return fill


if __name__ == "__main__":
    typer.run(main)
