"""A bounded, seeded search for defects, led by coverage, on every run of the tests.

``FUZZ_RUNS=1000000`` searches longer; what breaks is kept in the folder that the failure names.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuzz.guided.targets import TARGETS

RUNS = int(os.environ.get("FUZZ_RUNS", "4000"))
PLANTED = "planted"
HELD = sorted(TARGETS.keys() - {PLANTED})


@dataclass(frozen=True)
class Searched:
    """How the search of a target ended, and all that it said."""

    code: int
    said: str


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Searched]:
    """Search every target from its seeds, the same way every time."""
    folder = tmp_path_factory.mktemp("searches")
    options = ["-seed=20260101", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    searches = [*(f"{target}={RUNS}" for target in HELD), f"{PLANTED}=200000"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided.search", str(folder), *options, "--", *searches],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=max(110, len(HELD) * RUNS // 100),
    )
    codes = dict(line.split() for line in done.stdout.splitlines())
    return {
        target: Searched(int(code), (folder / f"{target}.log").read_text(errors="replace"))
        for target, code in codes.items()
    }


@pytest.mark.parametrize("target", HELD)
def test_nothing_is_found(target: str, searched: dict[str, Searched]) -> None:
    """What the target promises holds for every input that the search comes to."""
    assert searched[target].code == 0, searched[target].said[-3000:]
    assert f"Done {RUNS} runs" in searched[target].said


def test_a_planted_defect_is_found(searched: dict[str, Searched]) -> None:
    """A defect behind four bytes, each of which only coverage tells to be right, does not stay hidden."""
    assert searched[PLANTED].code != 0
    assert PLANTED in searched[PLANTED].said
