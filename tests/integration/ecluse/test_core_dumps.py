"""A server that crashes leaves no copy of its memory behind."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

_SERVE = """
import resource, sys
from pathlib import Path
from ecluse.errors import EcluseError
from ecluse.processes.start import run
try:
    run("gateway", Path(sys.argv[1]), lambda settings: None)
except EcluseError:
    print("core", *resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] == 0,
    reason="no process of this machine may leave a core file",
)
def test_a_server_makes_no_core_file(tmp_path: Path) -> None:
    """Whatever limit it was started under, a server's is none, before it reads its settings, and for good."""
    ended = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'ulimit -S -c "$(ulimit -H -c)"; exec "$@"',
            "sh",
            sys.executable,
            "-c",
            _SERVE,
            str(tmp_path / "none.toml"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "core 0 0" in ended.stdout.splitlines()
