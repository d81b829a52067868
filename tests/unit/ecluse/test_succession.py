"""How a gateway that is replaced finds the command that its successor is started with."""

import sys
from pathlib import Path

import pytest

from ecluse.succession import own_command


def test_a_command_is_started_by_its_name_which_may_be_another_version_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter that runs now belongs to this version; the name on the path leads to the one installed."""
    program = tmp_path / "ecluse"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "gateway", "--config", "a.toml"])
    assert own_command() == [str(program), "gateway", "--config", "a.toml"]


def test_what_is_run_as_a_module_is_started_by_the_same_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``python -m ecluse`` has no command of its own: its words stay as they were."""
    module = tmp_path / "__main__.py"
    module.write_text("")
    module.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(module), "gateway"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-P", "-m", "ecluse", "gateway"])
    assert own_command() == [sys.executable, "-P", "-m", "ecluse", "gateway"]
