"""Tests that measure time run alone among the workers of a run."""

import fcntl
import threading
from pathlib import Path

from tests.conftest import turn


def test_who_is_alone_waits_for_the_others_and_they_for_it(tmp_path: Path) -> None:
    """Two ordinary turns overlap; one alone begins after them, and the next ordinary one after it."""
    order: list[str] = []
    began, ended = threading.Event(), threading.Event()

    def alone() -> None:
        with turn(tmp_path, alone=True):
            order.append("alone")

    def late() -> None:
        began.wait(60)
        with turn(tmp_path, alone=False):
            order.append("late")
            ended.set()

    with turn(tmp_path, alone=False), turn(tmp_path, alone=False):
        first = threading.Thread(target=alone)
        second = threading.Thread(target=late)
        second.start()
        first.start()
        while not _held(tmp_path / "gate"):
            pass
        began.set()
        order.append("ordinary")
    first.join(60)
    assert ended.wait(60)
    second.join(60)
    assert order == ["ordinary", "alone", "late"]


def _held(gate: Path) -> bool:
    with gate.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
