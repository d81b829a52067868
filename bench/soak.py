"""``python -m bench.soak [MINUTES] [PICTURE]``: what gateway and console hold of memory while people come, work and go.

Ten sessions are typed in all the while; beside them one technician after another logs in, copies 8 MiB down and
leaves. Memory is looked at every five seconds. The picture is an SVG file; standard output has a line a minute.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import clients
from bench.crowd import seated
from bench.errors import BenchError
from bench.ground import PROMPT, Ground, Route, ground
from bench.processes import resident

TYPING = 10
STROKES = 2.0
VISIT_SECONDS = 20.0
"""How long from one visitor's coming to the next one's."""
LOOK_SECONDS = 5.0
VISIT = "head -c 8388608 /dev/zero"
MIB = 1024 * 1024
WIDTH, HEIGHT, LEFT, LOW = 720, 300, 60, 40
COLOURS = {"gateway": "#1f5fa8", "console": "#b8540c"}


@dataclass(frozen=True, slots=True)
class Look:
    """What the processes held of memory, in bytes, ``at`` seconds after the beginning; how many had visited."""

    at: float
    gateway: int
    console: int
    visits: int


async def watch(there: Ground, seconds: float) -> list[Look]:
    """Let people come and go for *seconds*, and return what was seen meanwhile."""
    looks: list[Look] = []
    begun, visits = time.monotonic(), 0
    pids = {"gateway": there.gateway_pid, "console": there.console_pid}

    async def visit() -> None:
        nonlocal visits
        while True:
            due = asyncio.create_task(asyncio.sleep(VISIT_SECONDS))
            try:
                await clients.finished(await clients.start(there.entry(Route.ECLUSE), words=[VISIT]), 60)
                visits += 1
            except BenchError as error:
                print(f"a visit failed: {error}", flush=True)
            await due

    coming = asyncio.create_task(visit())
    try:
        while (at := time.monotonic() - begun) < seconds:
            held = {name: resident(pid) for name, pid in pids.items()}
            looks.append(Look(at, held["gateway"], held["console"], visits))
            if len(looks) % 12 == 1:
                print(
                    f"{at / 60:5.1f} min  gateway {held['gateway'] / MIB:6.1f} MiB  "
                    f"console {held['console'] / MIB:6.1f} MiB  {visits} visits",
                    flush=True,
                )
            await asyncio.wait({coming}, timeout=LOOK_SECONDS)
            if coming.done():
                coming.result()
    finally:
        coming.cancel()
    return looks


def picture(looks: list[Look]) -> str:
    """Return the curves as SVG: minutes to the right, MiB upwards from none."""
    most = max(max(look.gateway, look.console) for look in looks) / MIB
    top = (int(most / 50) + 1) * 50
    last = max(looks[-1].at, 1.0)

    def x(at: float) -> float:
        return LEFT + at / last * (WIDTH - LEFT - 20)

    def y(mib: float) -> float:
        return HEIGHT - LOW - mib / top * (HEIGHT - LOW - 30)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for mib in range(0, top + 1, 50):
        drawn += [
            f'<path d="M{LEFT} {y(mib):.1f}H{WIDTH - 20}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y(mib) + 4:.1f}" text-anchor="end">{mib}</text>',
        ]
    minutes = round(last / 60)
    for minute in range(0, minutes + 1, max(1, minutes // 6)):
        drawn.append(
            f'<text x="{x(minute * 60):.1f}" y="{HEIGHT - LOW + 18}" text-anchor="middle">{minute}</text>'
        )
    for number, (name, colour) in enumerate(COLOURS.items()):
        line = " ".join(f"{x(look.at):.1f},{y(getattr(look, name) / MIB):.1f}" for look in looks)
        drawn += [
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            f'<text x="{LEFT + 10 + 90 * number}" y="18" fill="{colour}">{name}</text>',
        ]
    drawn += [
        f'<text x="{LEFT - 8}" y="18" text-anchor="end">MiB</text>',
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 6}" text-anchor="end">minutes</text>',
        "</svg>",
    ]
    return "\n".join(drawn) + "\n"


async def main(minutes: float, file: Path) -> None:
    """Measure, draw, and say how much more was held at the end than after the first tenth."""
    visits = int(minutes * 60 / VISIT_SECONDS) + 2
    async with ground(TYPING + visits, lambda told: print(told, end="\r", file=sys.stderr)) as there:
        entries = [there.entry(Route.ECLUSE) for _ in range(TYPING)]
        async with seated(entries, words=(), marker=PROMPT, strokes=STROKES):
            looks = await watch(there, minutes * 60)
    file.write_text(picture(looks), encoding="utf-8")
    early = looks[len(looks) // 10]
    for name in COLOURS:
        before, after = getattr(early, name), getattr(looks[-1], name)
        print(
            f"{name}: {before / MIB:.1f} MiB after a tenth, {after / MIB:.1f} at the end ({(after - before) / MIB:+.1f})"
        )
    print(f"{looks[-1].visits} visits, {TYPING} sessions typed in; {file}")


if __name__ == "__main__":
    asyncio.run(
        main(
            float(sys.argv[1]) if len(sys.argv) > 1 else 30,
            Path(sys.argv[2] if len(sys.argv) > 2 else "soak.svg"),
        )
    )
