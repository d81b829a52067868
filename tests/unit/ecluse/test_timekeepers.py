"""The clocks that this machine's is compared with, and a start that a wrong clock prevents."""

import ctypes
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecluse import settings
from ecluse.diagnosis import machine
from ecluse.errors import StartError
from ecluse.offsets import MOST_ASKED, Offset, ask
from ecluse.processes.start import check_clock
from ecluse.settings import Settings
from ecluse.timekeepers import Comparison, compare
from policy.clock import ManualClock, SystemClock
from policy.store.database import Database
from tests.support.http_server import Answer, answering

CHRONY = "A29FC87B,192.0.2.1,3,1700000000.123,{offset},-0.000002,0.000041,-10.6,0.001,0.075,0.0104,0.0005,64.6,{leap}"


def chosen(folder: Path, **values: Any) -> Settings:
    """Return settings of *folder*."""
    return settings.build({"data_dir": str(folder), "hospital_id": "0" * 32, **values}, "ecluse.toml")


@pytest.fixture
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No NTP client but those that the test puts there."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")


def program(folder: Path, name: str, printed: str) -> None:
    """Put a program there that prints so: an NTP client cannot be made to drift by a test."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{printed}\nEND\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "printed", "found"),
    [
        ("chronyc", CHRONY.format(offset="-2.500000000", leap="Normal"), [("chrony", -2.5)]),
        ("chronyc", CHRONY.format(offset="0.000012000", leap="Insert second"), [("chrony", 0.000012)]),
        ("chronyc", CHRONY.format(offset="0.0", leap="Not synchronised"), []),
        ("chronyc", "506 Cannot talk to daemon", []),
        ("timedatectl", "       Server: 192.0.2.1\n       Offset: -13.021ms\n", [("timesyncd", -0.013021)]),
        ("timedatectl", "       Offset: +1min 2.5s\n", [("timesyncd", 62.5)]),
        ("timedatectl", "       Offset: n/a\n", []),
    ],
)
@pytest.mark.usefixtures("_programs")
async def test_the_ntp_client_is_asked(
    tmp_path: Path, name: str, printed: str, found: list[tuple[str, float]]
) -> None:
    """What chrony or systemd-timesyncd says of its source is read; one that is not synchronised knows nothing."""
    program(tmp_path, name, printed)
    told = await compare(chosen(tmp_path), None, SystemClock())
    assert [one.keeper for one in told] == [keeper for keeper, _ in found]
    drifts = [one.drift.total_seconds() for one in told]
    assert drifts == pytest.approx([seconds for _, seconds in found], abs=1e-6)


@pytest.mark.parametrize(
    ("printed", "finding"),
    [("yes", "kept"), ("no", "unsynchronised"), ("Failed to connect to bus", "unknown"), (None, "unknown")],
)
@pytest.mark.usefixtures("_programs")
async def test_where_the_kernel_may_not_be_asked_systemd_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str | None, finding: str
) -> None:
    """Behind a filter that refuses adjtimex, doctor says what timedatectl does, and no more than that."""
    # the filter is systemd's (ProtectClock=): a test has none to stand behind
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(adjtimex=lambda _buffer: -1))
    if printed is not None:
        program(tmp_path, "timedatectl", printed)
    found = await machine.clock()
    assert found.finding.key == f"doctor.clock.{finding}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server that dates its answers by this machine's clock, as a bucket's does."""
    with answering(lambda _asked: Answer(status=403)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("ahead", "wrong"), [(0.0, False), (-4.0, True), (4.0, True)])
@pytest.mark.usefixtures("_programs")
async def test_the_store_s_date_is_compared(tmp_path: Path, server: str, ahead: float, wrong: bool) -> None:
    """A bucket's server that refuses everything still tells the time, and a clock four seconds off is found."""
    [told] = await compare(
        chosen(tmp_path, store={"bucket": "traces", "endpoint": server}), None, Off(timedelta(seconds=ahead))
    )
    assert told.keeper == "store"
    assert told.beyond(timedelta(seconds=1)) is wrong
    assert abs(told.drift.total_seconds()) <= abs(ahead)


class Off:
    """A clock that goes, *ahead* of this machine's."""

    def __init__(self, ahead: timedelta) -> None:
        """Go."""
        self._ahead = ahead

    def now(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC) + self._ahead


class Postgres:
    """A database server whose clock is a minute behind."""

    async def server_time(self) -> datetime:
        """Tell the time there."""
        return datetime.now(UTC) - timedelta(minutes=1)


class Slow:
    """A database server *behind* our clock, whose answers take so many seconds by ours; the last for all further ones."""

    def __init__(self, clock: ManualClock, *takes: float, behind: float = 0.0) -> None:
        """Go by *clock*, which it lets pass."""
        self._clock = clock
        self._takes = list(takes)
        self._behind = timedelta(seconds=behind)
        self.asked = 0

    async def server_time(self) -> datetime:
        """Tell the time as it is when the answer comes: the longer that took, the less it says of a clock behind ours."""
        self._clock.advance(timedelta(seconds=self._takes[min(self.asked, len(self._takes) - 1)]))
        self.asked += 1
        return self._clock.now() - self._behind


@pytest.mark.usefixtures("_programs")
async def test_answers_that_are_all_slow_accuse_nobody_and_acquit_nobody(tmp_path: Path) -> None:
    """On a machine that others keep busy each takes seconds: no process is kept from starting, and doctor says why not."""
    clock = ManualClock(datetime.now(UTC))
    server = Slow(clock, 3)
    [told] = await compare(chosen(tmp_path), cast(Database, server), clock)
    second = timedelta(seconds=1)
    assert (told.drift, told.beyond(second), told.unsure(second)) == (timedelta(0), False, True)
    assert server.asked == MOST_ASKED
    await check_clock(chosen(tmp_path), cast(Database, Slow(clock, 3)), clock)


@pytest.mark.usefixtures("_programs")
async def test_a_drift_that_one_slow_answer_hides_is_found_by_the_next(tmp_path: Path) -> None:
    """An answer of three seconds leaves a drift of two in doubt: asked again, the quicker one tells, and none starts."""
    clock = ManualClock(datetime.now(UTC))
    with pytest.raises(StartError) as refused:
        await check_clock(chosen(tmp_path), cast(Database, Slow(clock, 3, 0.01, behind=2)), clock)
    assert "2.0 s away from that of database" in str(refused.value)


@pytest.mark.usefixtures("_programs")
async def test_a_quick_answer_is_enough(tmp_path: Path) -> None:
    """Who is right is asked once."""
    clock = ManualClock(datetime.now(UTC))
    server = Slow(clock, 0.01, behind=0.5)
    [told] = await compare(chosen(tmp_path), cast(Database, server), clock)
    assert (server.asked, told.unsure(timedelta(seconds=1))) == (1, False)


@pytest.mark.usefixtures("_programs")
async def test_dates_to_the_second_find_a_drift_of_little_more_than_one(tmp_path: Path, server: str) -> None:
    """A second that a date leaves out hides no second of drift: asked at its different parts, the dates narrow it down."""
    asked = chosen(tmp_path, store={"bucket": "traces", "endpoint": server})
    second = timedelta(seconds=1)
    [wrong] = await compare(asked, None, Off(timedelta(seconds=1.6)))
    [right] = await compare(asked, None, Off(timedelta(seconds=-0.3)))
    assert (wrong.beyond(second), right.beyond(second), right.unsure(second)) == (True, False, False)


@pytest.mark.parametrize(("takes", "finding"), [(3.0, "unsure"), (0.01, "good")])
@pytest.mark.usefixtures("_programs")
async def test_doctor_says_that_answers_were_too_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: float, finding: str
) -> None:
    """It is a notice, with the most that they may be apart; neither good nor a failure."""
    clock = ManualClock(datetime.now(UTC))
    found = await ask(Slow(clock, takes).server_time, clock, timedelta(seconds=1))
    assert found is not None

    async def compared(*_: object) -> list[Comparison]:
        return [Comparison("database", found)]

    monkeypatch.setattr(machine, "compare", compared)
    [symptom] = await machine.timekeepers(chosen(tmp_path), clock)
    assert symptom.finding.key == f"doctor.timekeeper.{finding}"


async def start(folder: Path, **values: Any) -> None:
    """Do what both processes do first."""
    await check_clock(chosen(folder, start=values), cast(Database, Postgres()), SystemClock())


@pytest.mark.usefixtures("_programs")
async def test_a_clock_known_to_be_wrong_keeps_a_process_from_starting(tmp_path: Path) -> None:
    """Over a second from the database server's: the sentence names it and the way out, and only the setting overrides."""
    with pytest.raises(StartError) as refused:
        await start(tmp_path)
    assert "60.0 s away from that of database" in str(refused.value)
    assert "start.despite_clock" in str(refused.value)
    await start(tmp_path, despite_clock=True)


def test_what_is_allowed_is_not_beyond() -> None:
    """A second is allowed, and not a hair more."""
    second = timedelta(seconds=1)
    more = second + timedelta(microseconds=1)
    assert not Comparison("chrony", Offset(-second, -second)).beyond(second)
    assert Comparison("chrony", Offset(-more, -more)).beyond(second)
