"""The program that keeps the journal at the collector, run as rsyslog runs it."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "deploy/rsyslog/journal_keeper.py"


def entry(
    seq: int, writer: str = "gw-1/1", *, event: int = 0, digest: str = "", fault: str = "", text: str = "x"
) -> bytes:
    """An entry as the bastion sends it."""
    parts = {"event_id": f"{event or seq:032x}", "hospital": "chu", "writer": writer, "seq": str(seq)}
    parts.update({name: value for name, value in (("digest", digest), ("fault", fault)) if value})
    said = "".join(f' {name}="{value}"' for name, value in parts.items())
    head = "<110>1 2026-03-02T10:00:00.000000Z gw-1 ecluse - access.denied"
    return f'{head} [ecluse@32473{said}] {{"text":"{text}"}}\n'.encode()


class Running:
    """The program at work on a folder."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def answer(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def give(self, line: bytes) -> None:
        """Write *line* to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def ask(self, line: bytes) -> str:
        """Give it *line*, and return its answer."""
        self.give(line)
        return self.answer()

    def end(self) -> int:
        """Hang up, and return how it ended."""
        self.process.communicate(timeout=60)
        return self.process.returncode


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Run the program until the block ends."""
    program = Running(folder)
    with program.process:
        try:
            yield program
        finally:
            program.process.kill()


def kept(folder: Path) -> list[bytes]:
    """Return what is in the files, the oldest first."""
    return [
        line
        for path in sorted(folder.glob("journal-*.log"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]


@pytest.fixture
def keeper() -> Any:
    """The program as a module."""
    spec = spec_from_file_location("journal_keeper", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_last_entry_of_each_chain_is_kept_once_also_after_a_restart(tmp_path: Path) -> None:
    """Sent again at once, after another chain's, and to a new program: answered each time, written once."""
    first, other = entry(1), entry(1, "gw-2/1", event=9)
    with running(tmp_path) as program:
        assert [program.answer(), *map(program.ask, (first, first, other, first, other))] == ["OK"] * 6
        assert program.end() == 0
    with running(tmp_path) as program:
        assert [program.answer(), program.ask(first), program.ask(entry(2))] == ["OK"] * 3
    assert kept(tmp_path) == [first, other, entry(2)]


def test_what_was_altered_at_the_bastion_is_kept_beside_what_it_was(tmp_path: Path) -> None:
    """Another event under a number that was there, and the word that entries are gone, are no repetitions."""
    lines = [
        entry(1),
        entry(2),
        entry(2, event=77),
        entry(1, event=88, fault="shortened"),
        entry(2, event=99),
        b"<110>1 2026-03-02T10:00:00Z h other - - - nothing of ours\n",
        b"<110>1 2026-03-02T10:00:00Z h other - - - nothing of ours\n",
    ]
    with running(tmp_path) as program:
        assert [program.answer(), *map(program.ask, lines)] == ["OK"] * 8
    assert kept(tmp_path) == lines


def test_an_entry_is_known_by_its_structured_data_alone(keeper: Any) -> None:
    """Its text may differ (somebody was renamed meanwhile), and may look like structured data."""
    forged = entry(1, text=' [ecluse@32473 hospital=\\"x\\" writer=\\"y\\"] ')
    assert keeper.place(forged) == keeper.place(entry(1, text="autre"))
    escaped = entry(1, writer='a\\"\\] \\\\')
    assert keeper.place(escaped)[0] == '"chu""a\\"\\] \\\\"'
    assert keeper.place(b'<110>1 - - - - - [other@1 hospital="x" writer="y"] \n') is None


def test_a_new_day_begins_a_new_file_and_knows_the_day_before(keeper: Any, tmp_path: Path) -> None:
    """What was last of a chain on one day comes again on the next, to the same program and to a new one."""
    with closing(keeper.Keeper(tmp_path)) as first:
        first.keep(entry(1), "2026-03-02")
        first.keep(entry(1, "gw-2/1", event=9), "2026-03-02")
        first.keep(entry(1), "2026-03-03")
        first.keep(entry(2), "2026-03-03")
    assert [path.name for path in sorted(tmp_path.glob("*.log"))] == [
        "journal-2026-03-02.log",
        "journal-2026-03-03.log",
    ]
    with closing(keeper.Keeper(tmp_path)) as second:
        second.keep(entry(1, "gw-2/1", event=9), "2026-03-04")
        second.keep(entry(2), "2026-03-04")
    assert kept(tmp_path) == [entry(1), entry(1, "gw-2/1", event=9), entry(2)]
    assert not (tmp_path / "journal-2026-03-04.log").exists()


def test_what_a_console_that_stood_still_sends_late_is_known(keeper: Any, tmp_path: Path) -> None:
    """Others came since: the same entry is left out that day, the next and after a restart; a rewritten one is not."""
    lines = [entry(seq, digest=f"{seq:064x}") for seq in (1, 2, 3)]
    rewritten, fault = entry(1, digest="f" * 64), entry(2, digest=f"{2:064x}", fault="previous")
    with closing(keeper.Keeper(tmp_path)) as first:
        for line in (*lines, lines[0], fault, rewritten):
            first.keep(line, "2026-03-02")
        first.keep(entry(4, digest="4" * 64), "2026-03-03")
        first.keep(lines[1], "2026-03-03")
    with closing(keeper.Keeper(tmp_path)) as second:
        for line in (lines[1], entry(4, digest="4" * 64), rewritten, fault):
            second.keep(line, "2026-03-03")
    assert kept(tmp_path) == [*lines, fault, rewritten, entry(4, digest="4" * 64), fault]


def test_without_its_positions_it_reads_the_newest_file(keeper: Any, tmp_path: Path) -> None:
    """Somebody removed them: the last entry is still known."""
    for _ in range(2):
        with closing(keeper.Keeper(tmp_path)) as each:
            each.keep(entry(1), "2026-03-02")
        (tmp_path / "positions.json").unlink(missing_ok=True)
    assert kept(tmp_path) == [entry(1)]


def test_a_line_that_a_crash_tore_is_taken_out_and_comes_again_whole(tmp_path: Path) -> None:
    """Half a line on the disk was answered to nobody; half a line on standard input is none."""
    with running(tmp_path) as program:
        assert [program.answer(), program.ask(entry(1))] == ["OK", "OK"]
        program.give(entry(2)[:-9])
        assert program.end() == 0
    [path] = tmp_path.glob("journal-*.log")
    with path.open("ab") as file:
        file.write(entry(2)[:40])
    with running(tmp_path) as program:
        assert [program.answer(), program.ask(entry(2))] == ["OK", "OK"]
    assert kept(tmp_path) == [entry(1), entry(2)]


def test_a_full_disk_is_answered_and_nothing_is_half_written(tmp_path: Path) -> None:
    """The answer says what failed, the program ends for rsyslog to start it anew, and the entry comes once there is room."""
    with running(tmp_path) as program:
        assert [program.answer(), program.ask(entry(1))] == ["OK", "OK"]
        resource.prlimit(
            program.process.pid, resource.RLIMIT_FSIZE, (len(entry(1)) + 20, resource.RLIM_INFINITY)
        )
        assert program.ask(entry(2)) == f"cannot write into {tmp_path}: File too large"
        assert program.end() == 1
    assert kept(tmp_path) == [entry(1)]
    with running(tmp_path) as program:
        assert [program.answer(), program.ask(entry(2))] == ["OK", "OK"]
    assert kept(tmp_path) == [entry(1), entry(2)]


def test_one_program_at_a_time_holds_the_folder(tmp_path: Path) -> None:
    """Rsyslog was killed while its program had an entry in hand: the next program looks once that one is done."""
    with running(tmp_path) as old:
        assert old.answer() == "OK"
        old.process.send_signal(signal.SIGSTOP)
        old.give(entry(1))
        with running(tmp_path) as new:
            assert old.process.stdin is not None
            old.process.stdin.close()
            new.give(entry(1))
            old.process.send_signal(signal.SIGCONT)
            assert old.process.wait(60) == 0
            assert [new.answer(), new.answer()] == ["OK", "OK"]
    assert kept(tmp_path) == [entry(1)]


def test_it_says_what_it_needs() -> None:
    """``--help`` explains; without a folder it ends with 2."""
    asked = subprocess.run(
        [sys.executable, str(PROGRAM), "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: journal_keeper.py FOLDER" in asked.stdout
    assert subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, check=False).returncode == 2
