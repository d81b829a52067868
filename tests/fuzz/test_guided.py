"""A bounded, seeded search for defects, led by coverage, on every run of the tests.

``FUZZ_RUNS=1000000`` searches longer; what breaks is kept in the folder that the failure names.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.guided.targets import TARGETS

RUNS = int(os.environ.get("FUZZ_RUNS", "4000"))
HELD = sorted(TARGETS.keys() - {"planted"})


def search(target: str, folder: Path, runs: int) -> subprocess.CompletedProcess[str]:
    """Search *target* from its seeds, the same way every time."""
    options = [f"-runs={runs}", "-seed=20260101", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided.search", target, str(folder), *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=max(100, runs // 100),
    )


@pytest.mark.parametrize("target", HELD)
def test_nothing_is_found(target: str, tmp_path: Path) -> None:
    """What the target promises holds for every input that the search comes to."""
    searched = search(target, tmp_path, RUNS)
    assert searched.returncode == 0, searched.stderr[-3000:]
    assert f"Done {RUNS} runs" in searched.stderr


def test_a_planted_defect_is_found(tmp_path: Path) -> None:
    """A defect behind four bytes, each of which only coverage tells to be right, does not stay hidden."""
    searched = search("planted", tmp_path, 200_000)
    assert searched.returncode != 0
    assert "planted" in searched.stderr
