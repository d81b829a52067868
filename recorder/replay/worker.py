"""``python -m recorder.replay.worker``: cuts one trace for the player and draws its pieces' beginnings, apart from everybody.

As the search's worker it reads what devices sent, within stated bounds, with the key of one trace and none that opens
another. What it made goes to standard output, sealed. Status 0: all of it; 3: it is too short, or too long, to be kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from recorder.confinement import confine
from recorder.replay.cache import CPU_SECONDS, write
from recorder.replay.pieces import RecordingTooLong, cut
from recorder.replay.reader import TraceReader
from recorder.replay.screen import Drawing

NICE: Final = 19
MEMORY_BYTES: Final = 2 << 30
NOT_KEPT: Final = 3


def main() -> None:
    """Do the one job that standard input names."""
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    confine(nice=NICE, cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES, file_bytes=job["most"])
    key = None if job["key"] is None else bytes.fromhex(job["key"])
    with TraceReader(Path(job["folder"])) as reader:
        reader.unseal(key)
        try:
            recording = cut(reader)
        except RecordingTooLong:
            sys.exit(NOT_KEPT)
    if len(recording.segments) == 1:
        sys.exit(NOT_KEPT)
    drawing = Drawing(recording.outline.columns, recording.outline.rows)
    pictures = [recording.first()]
    for segment in recording.segments[:-1]:
        drawing.follow_all(json.loads(segment.text))
        pictures.append(drawing.picture())
    write(sys.stdout.buffer, reader.header, job["manifest_sha256"], key, recording, pictures)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
