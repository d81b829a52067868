"""Which client works with which factor by which channel: marked on the tests, told by their results.

``@pytest.mark.client(program, factor, channel)`` marks a test that drives a real program; a fourth argument
``refused`` says that the refusal is what it proves. ``pytest -m client --clients-page docs/clients.md`` writes
the page from what the run saw.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

WORKS: Final = "works"
REFUSED: Final = "refused"
SKIPPED: Final = "not tried here"
FAILED: Final = "fails"
_PROPERTY: Final = "client"
_HEAD: Final = """# Clients: what was tried, and works

Every line is a program that people have, driven for real against a real device through the gateway, with the
factors named. The page is written by `make clients` from the results of the tests marked `client`; a test
compares it with them. *works*: the channel did what it does on a direct connection. *refused*: no window can
allow it, and the program ends with the reason on its screen. *not tried here*: this machine lacks what the
program needs. Nothing stands where nothing was tried.

"""


@dataclass(frozen=True, order=True)
class Cell:
    """One thing that a person does: a program, the factors she has, and what she opens."""

    program: str
    factor: str
    channel: str
    promise: str = WORKS


def cells(item: pytest.Item) -> Iterator[Cell]:
    """The cells that the test *item* proves."""
    for mark in item.iter_markers("client"):
        yield Cell(*mark.args)


def page(results: dict[Cell, str]) -> str:
    """Docs/clients.md for what a run saw."""
    channels = sorted({cell.channel for cell in results})
    lines = [f"| client | factors | {' | '.join(channels)} |", f"|---|---|{'---|' * len(channels)}"]
    for program, factor in sorted({(cell.program, cell.factor) for cell in results}):
        said = {
            cell.channel: outcome
            for cell, outcome in results.items()
            if (cell.program, cell.factor) == (program, factor)
        }
        lines.append(f"| {program} | {factor} | {' | '.join(said.get(name, '') for name in channels)} |")
    return _HEAD + "\n".join(lines) + "\n"


def told(text: str) -> set[tuple[str, str, str]]:
    """Program, factors and channel of each cell that *text*, a page, says something of."""
    rows = [
        [field.strip() for field in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    if len(rows) < 2:
        return set()
    channels = rows[0][2:]
    return {
        (row[0], row[1], channel)
        for row in rows[2:]
        for channel, outcome in zip(channels, row[2:], strict=True)
        if outcome
    }


class Matrix:
    """Gathers the results in the process that reports them, and writes the page at the end."""

    def __init__(self, target: Path | None) -> None:
        """Write to *target*, if there is one."""
        self._target = target
        self._results: dict[Cell, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result; the worst one of a cell counts."""
        if report.when == "teardown" and report.passed:
            return
        for fields in _properties(report):
            cell = Cell(*fields)
            if report.failed:
                self._results[cell] = FAILED
            elif report.skipped:
                self._results.setdefault(cell, SKIPPED)
            elif report.when == "call" and self._results.get(cell) != FAILED:
                self._results[cell] = cell.promise

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        if self._target is not None and self._results:
            self._target.write_text(page(self._results))


def _properties(report: pytest.TestReport) -> Iterable[list[str]]:
    for name, value in report.user_properties:
        if name == _PROPERTY and isinstance(value, list | tuple):
            yield [str(field) for field in value]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--clients-page``."""
    parser.addoption("--clients-page", type=Path, help="write the page of clients from this run's results")


def pytest_configure(config: pytest.Config) -> None:
    """Gather results where they are reported, which is no worker."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Matrix(config.getoption("--clients-page")), "clients-matrix")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send the cells of each test along with its result."""
    for item in items:
        item.user_properties.extend(
            (_PROPERTY, [cell.program, cell.factor, cell.channel, cell.promise]) for cell in cells(item)
        )
