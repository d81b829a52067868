"""Made `trace-v1` once. Kept to show how; running it again would make another trace, with another key.

Usage: python -m tests.vectors.make_trace_v1 FOLDER
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from recorder.trace.frames import FrameType, canonical
from tests.support.traces import header, passed, studio


async def make(target: Path) -> None:
    """Record one frame of each type, close, and keep the folder and the public key."""
    with tempfile.TemporaryDirectory() as scratch:
        async with studio(Path(scratch), input_limit_bytes=8) as made:
            recording = await made.recorder.open(header("0" * 31 + "1"), _unexpected)
            for kind, channel, payload in frames():
                await passed(recording, kind, channel, payload)
            await recording.close("client_left", channels=2)
            shutil.copytree(made.trace("0" * 31 + "1"), target)
            (target / "key.pub").write_bytes(made.public_key.to_pem())


def frames() -> list[tuple[FrameType, int, bytes]]:
    """What is recorded, END apart."""
    pty = {"term": "xterm-256color", "columns": 80, "rows": 24, "modes": {}}
    return [
        (FrameType.OPEN, 1, canonical({"kind": "session"})),
        (FrameType.REQUEST, 1, canonical({"request": "shell", "pty": pty})),
        (FrameType.OUTPUT, 1, "Bienvenue à l'écluse\r\n$ ".encode()),
        (FrameType.INPUT, 1, canonical({"length": 1})),
        (FrameType.OUTPUT, 1, b"\x1b[32m\xc3"),
        (FrameType.OUTPUT, 1, b"\xa9t\xc3\xa9\x1b[0m" + b" line of a log\r\n" * 40),
        (FrameType.RESIZE, 1, canonical({"columns": 132, "rows": 50})),
        (FrameType.SIGNAL, 1, canonical({"signal": "INT"})),
        (FrameType.BREAK, 1, canonical({"milliseconds": 500})),
        (FrameType.REFUSED, 0, canonical({"request": "x11", "reason": "refused.x11"})),
        (FrameType.WARNING, 1, canonical({"text": "10 minutes"})),
        (FrameType.MARKER, 1, canonical({"kind": "hidden_lines", "count": 2})),
        (FrameType.GAP, 1, canonical({"kind": "paused"})),
        (FrameType.EXIT, 1, canonical({"status": 3})),
        (FrameType.REQUEST, 2, canonical({"request": "exec", "command": "tee /tmp/x"})),
        (FrameType.INPUT, 2, b"twelve bytes"),
        (FrameType.ERROR_OUTPUT, 2, b"tee: no space\n"),
        (FrameType.EOF, 2, canonical({"from": "person"})),
        (
            FrameType.FILE,
            2,
            canonical({"op": "put", "phase": "done", "path": "/tmp/x", "size": 12, "result": "ok"}),
        ),
        (FrameType.EXIT, 2, canonical({"signal": "TERM", "core_dumped": False})),
    ]


def _unexpected(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
