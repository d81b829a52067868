"""Where a process says that it is ready, and on which port: one small file a program in the run directory."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def announced(directory: Path, program: str, port: int) -> Iterator[None]:
    """Keep ``<program>.json`` (pid, port) in *directory* while the block runs; written whole or not at all."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{program}.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}))
    draft.chmod(0o640)  # no secret; where the programs have users of their own, each may ask after the other
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def port_of(directory: Path, program: str) -> int | None:
    """Return the port that *program* announced in *directory*, or None while no living process has."""
    try:
        said = json.loads((directory / f"{program}.json").read_text())
        # a process killed with SIGKILL leaves its announcement behind
        with suppress(PermissionError):  # it lives, and is another user's
            os.kill(int(said["pid"]), 0)
        return int(said["port"])
    except (OSError, ValueError, KeyError):
        return None
