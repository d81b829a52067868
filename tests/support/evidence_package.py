"""An evidence package as whoever receives it has it: a file, an empty folder, and Python."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorder.capture.session import Recording
from recorder.trace.frames import FrameType, canonical
from tests.support.recorded import speak

HOSTILE = "\x1b]0;pris\x07\x1b]52;c;cHJpcw==\x07\x1b]8;;javascript:x\x07lien\x1b]8;;\x07</script><img src=x onerror=x>\r\n"
DECISION = {
    "channels": ["shell", "sftp"],
    "findings": [
        {"code": "S21", "held": True, "key": "finding.S21.accepted", "arguments": {}},
        {"code": "Z9", "held": True, "key": "finding.of.another.version", "arguments": {}},
    ],
}


def fill(recording: Recording) -> None:
    """Hostile output, a formula for a file name, something typed unseen, a command."""
    speak(recording, "premier écran\r\n", HOSTILE)
    recording.record(FrameType.REQUEST, 2, canonical({"request": "exec", "command": "reboot <i>tube</i>"}))
    recording.record(FrameType.MARKER, 1, canonical({"kind": "unseen-input", "lines": 1}))
    told = {
        "op": "upload",
        "path": '=HYPERLINK("http://x")\n../../x',
        "phase": "done",
        "size": 9,
        "sha256": "ab" * 32,
    }
    # an operation that moves no bytes tells no size and no digest
    recording.record(FrameType.FILE, 3, canonical({"op": "mkdir", "path": "/opt/new", "result": "ok"}))
    recording.record(FrameType.FILE, 3, canonical(told))


def unpacked(package: bytes, target: Path) -> Path:
    """Unpack it into the new folder *target*."""
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        file.extractall(target)
    return target


def judged(
    file: Path, verifier: Path, *options: str, path: str = "/usr/bin:/bin"
) -> tuple[int, dict[str, Any]]:
    """Run the verifier as a plain process that has nothing of the product; return its exit status, and what it found.

    *path* is where it finds programs.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(verifier), str(file), "--json", *options],
        capture_output=True,
        check=False,
        cwd=verifier.parent,
        env={"PATH": path},
    )
    if done.returncode == 2:
        return 2, {"error": done.stderr.decode()}
    return done.returncode, json.loads(done.stdout)


def repacked(package: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """Return the package with each file as *change* makes it of its name and bytes; None leaves it out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as file, zipfile.ZipFile(out, "w") as made:
        for name in file.namelist():
            content = change(name, file.read(name))
            if content is not None:
                made.writestr(name, content)
    return out.getvalue()


def names(package: bytes) -> list[str]:
    """Return the names of its files."""
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        return file.namelist()


def content(package: bytes, name: str) -> str:
    """Return one file of it as text."""
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        return file.read(name).decode()
