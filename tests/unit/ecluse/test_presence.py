"""How a process says that it is ready."""

import json
import subprocess
import sys
from pathlib import Path

from ecluse.presence import announced, port_of


def test_a_port_is_known_while_its_process_announces_it(tmp_path: Path) -> None:
    """The port can be read inside the block, and no more after it."""
    with announced(tmp_path / "run", "gateway", 4022):
        assert port_of(tmp_path / "run", "gateway") == 4022
    assert port_of(tmp_path / "run", "gateway") is None


def test_the_announcement_of_a_dead_process_counts_for_nothing(tmp_path: Path) -> None:
    """What a killed process left behind is not believed."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    (tmp_path / "gateway.json").write_text(json.dumps({"pid": dead.pid, "port": 4022}))
    assert port_of(tmp_path, "gateway") is None


def test_a_torn_announcement_counts_for_nothing(tmp_path: Path) -> None:
    """A file that is not whole is as no file."""
    (tmp_path / "gateway.json").write_text('{"pid": 1')
    assert port_of(tmp_path, "gateway") is None
