"""An evidence package as whoever receives it has it: a file, an empty folder, and Python."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def unpacked(package: bytes, target: Path) -> Path:
    """Unpack it into the new folder *target*."""
    with zipfile.ZipFile(io.BytesIO(package)) as file:
        file.extractall(target)
    return target


def judged(path: Path, verifier: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the verifier as a plain process that has nothing of the product; return its exit status, and what it found."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(verifier), str(path), "--json", *options],
        capture_output=True,
        check=False,
        cwd=verifier.parent,
        env={"PATH": "/usr/bin:/bin"},
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
