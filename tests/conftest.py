"""What holds for every test: nothing of a killed run lies about, and who measures time has the machine to itself."""

import fcntl
import gc
import logging
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from structlog.dev import ConsoleRenderer, plain_traceback

from ecluse.demo.leftovers import collect, temporary_folder
from ecluse.logs import QUIET
from tests.support.compiled import compile_all
from tests.support.temporary import SHARED_MEMORY, write_in_memory

pytest_plugins = ["tests.support.matrix", "tests.support.reader_token", "tests.support.statements"]

gc.set_threshold(20_000)  # at Python's own 700 new objects, a seventh of the work was looking for garbage
sys.dont_write_bytecode = False  # of what pytest makes of the test modules, for the next run

# how long a case takes to draw tells how busy the machine is, and of a fresh clone that Unicode's tables are made first
hypothesis_settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("suite")

for _processor in structlog.get_config()["processors"]:
    if isinstance(_processor, ConsoleRenderer):
        # where no log is configured, drawing every local variable of a trace took longer than most tests
        _processor.exception_formatter = plain_traceback


LOGS = structlog.get_config()


@pytest.fixture(scope="session")
def take_back_logs() -> Callable[[], None]:
    """Return what makes the logs again as they are here, before any module's fixture: those of pytest alone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}

    def take_back() -> None:
        structlog.configure(**LOGS)
        structlog.contextvars.clear_contextvars()
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)

    return take_back


@pytest.fixture(autouse=True)
def logs_as_they_were(take_back_logs: Callable[[], None]) -> Iterator[None]:
    """Take back what was done to the logs, by a module's fixture before a test or by the test: its stream is closed."""
    take_back_logs()
    yield
    take_back_logs()


LONGEST_FIRST = ("e2e", "fuzz", "integration", "property", "contract", "architecture", "unit")
"""The folders of tests, by how long one test of each takes."""
TURNS = "TESTS_TURNS"
"""The variable that tells workers where they take turns."""


def pytest_configure(config: pytest.Config) -> None:
    """Clear away what killed runs left, and make the place where workers take turns; once a run."""
    if not hasattr(config, "workerinput"):
        write_in_memory()
        # whether or not there is room: what lies there may be why there is none
        collect(*filter(Path.is_dir, [SHARED_MEMORY]))
        compile_all(config)
        os.environ[TURNS] = str(temporary_folder("turns"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that place."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(TURNS), ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the tests: the longest first, so that the end is short; last who waits for all the others."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("alone"):
        return len(LONGEST_FIRST)
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave out of every later search for garbage what lives until the end: thousands of tests and all they import."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run one test when it is its turn; outermost, so that waiting counts for no time limit."""
    alone = item.get_closest_marker("alone") is not None
    many = hasattr(item.config, "workerinput")
    with turn(Path(os.environ[TURNS]), alone=alone) if many else nullcontext():
        return (yield)


@contextmanager
def turn(place: Path, *, alone: bool) -> Iterator[None]:
    """Wait for this test's turn at *place*: beside the other workers', or, if *alone*, without any.

    Everybody passes a gate first; who waits to be alone keeps it, so that those who come later don't overtake.
    """
    with (place / "gate").open("wb") as gate, (place / "floor").open("wb") as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
