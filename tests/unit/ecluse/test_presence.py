"""How a process says that it is ready."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecluse.presence import announced, berth, port_of


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


def test_an_announcement_is_written_through_no_link(tmp_path: Path) -> None:
    """Both programs' users write in the run directory: a link that one put there changes no file of the other's."""
    key = tmp_path / "key"
    key.write_text("secret")
    for name in ("gateway.draft", "gateway.json"):
        (tmp_path / name).symlink_to(key)
    with announced(tmp_path, "gateway", 4022):
        assert port_of(tmp_path, "gateway") == 4022
    assert (key.read_text(), sorted(path.name for path in tmp_path.iterdir())) == (
        "secret",
        ["gateway.draft", "key"],
    )


def test_a_berth_is_no_link_folder_pipe_or_anothers_file(tmp_path: Path) -> None:
    """What the other program's user put in a berth's place is neither written over nor in the way: the next number is free."""
    key = tmp_path / "key"
    key.write_text("secret")
    (tmp_path / "console.1.lock").symlink_to(key)
    (tmp_path / "console.2.lock").symlink_to(tmp_path / "made")
    (tmp_path / "console.3.lock").mkdir()
    os.mkfifo(tmp_path / "console.4.lock")
    with berth(tmp_path, "console") as held:
        held.note("claim")
        assert held.number == 5
    assert key.read_text() == "secret"
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
def test_a_berth_of_another_user_is_left_to_her(tmp_path: Path) -> None:
    """A file that the other program's user made first keeps nobody out."""
    strange = tmp_path / "console.1.lock"
    strange.write_text("theirs")
    os.chown(strange, 65534, 65534)
    with berth(tmp_path, "console") as held:
        held.note("claim")
        assert held.number == 2
    assert strange.read_text() == "theirs"


def test_a_closed_run_directory_is_said(tmp_path: Path) -> None:
    """Where nothing can be made, nobody looks for a number for ever."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), berth(tmp_path / "file", "console"):
        raise AssertionError


def test_something_in_an_announcement_s_place_keeps_nobody_from_serving(tmp_path: Path) -> None:
    """A process that cannot say its port serves all the same; nothing of its try stays."""
    (tmp_path / "gateway.json").mkdir()
    with announced(tmp_path, "gateway", 4022):
        assert port_of(tmp_path, "gateway") is None
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.json"]


def test_a_pipe_in_an_announcement_s_place_holds_nobody_up(tmp_path: Path) -> None:
    """What the other program's user put there tells nothing, and neither doctor nor a process that ends waits at it."""
    (tmp_path / "gateway.json").write_text("{}")
    with announced(tmp_path, "console", 4022):
        for name in ("gateway", "console"):
            (tmp_path / f"{name}.json").unlink()
            os.mkfifo(tmp_path / f"{name}.json")
            assert port_of(tmp_path, name) is None
    assert (tmp_path / "console.json").exists()
