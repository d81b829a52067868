"""Makes `trace-v2`: a trace in segments, whose writer died inside a record. The same bytes each time, by the same zstd.

Usage: python -m tests.vectors.make_trace_v2 FOLDER
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recorder.capture.recovery import recover
from recorder.capture.segments import Segments
from recorder.capture.writer import TraceWriter
from recorder.seal.encryption import Clear
from recorder.seal.signing import SigningKey
from recorder.trace import records
from recorder.trace.frames import Frame, FrameType, canonical
from tests.support.traces import SteppingClock, header

SESSION = "0" * 31 + "2"
MILLISECOND = 1_000_000
TORN = b"\x00\x00\x01\x00torn by a power cut"
_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"golden trace, version 2").digest()))


def make(target: Path) -> None:
    """Write three records, cut after the first and the second, tear the fourth, recover, and lay it out as a store does."""
    clock = SteppingClock()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / SESSION
        directory.mkdir()
        head, link = records.file_head(header(SESSION))
        trace = directory / "trace.ecl"
        trace.write_bytes(head)
        writer = TraceWriter(
            os.open(trace, os.O_RDWR | os.O_APPEND),
            offset=len(head),
            link=link,
            suite=Clear(),
            now=clock,
            input_limit=1 << 20,
        )
        segments = Segments(directory, fresh=True)
        for batch in frames()[:2]:
            writer.write(batch)
            segments.cut_at([writer.offset])
        writer.write(frames()[2])
        writer.close()
        with trace.open("ab") as file:
            file.write(TORN)
        found = recover(directory, _KEY, clock)
        if found is None:
            raise SystemExit("the trace is held by somebody")
        os.close(found.descriptor)
        target.mkdir()
        with trace.open("rb") as file:
            for segment in found.manifest.segments:
                (target / segment["name"]).write_bytes(file.read(segment["bytes"]))
        for name in ("manifest.json", "manifest.sig", *(item["name"] for item in found.manifest.files)):
            (target / name).write_bytes((directory / name).read_bytes())
        (target / "key.pub").write_bytes(_KEY.public.to_pem())


def frames() -> list[list[Frame]]:
    """What is recorded, a list a record; the recovery adds a gap and the end."""
    pty = {"term": "xterm-256color", "columns": 80, "rows": 24, "modes": {}}
    return [
        [
            Frame(FrameType.OPEN, 1, 1 * MILLISECOND, canonical({"kind": "session"})),
            Frame(FrameType.REQUEST, 1, 2 * MILLISECOND, canonical({"request": "shell", "pty": pty})),
        ],
        [Frame(FrameType.OUTPUT, 1, 3 * MILLISECOND, b"a line of the first segment's log\r\n" * 30)],
        [
            Frame(FrameType.INPUT, 1, 4 * MILLISECOND, canonical({"length": 4})),
            Frame(FrameType.OUTPUT, 1, 5 * MILLISECOND, "déjà la troisième\r\n".encode()),
        ],
    ]


if __name__ == "__main__":
    make(Path(sys.argv[1]))
