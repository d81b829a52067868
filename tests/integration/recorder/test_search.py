"""The search on real traces: indexed by themselves, found at their moment, forgotten when purged; poison stops nothing."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, insert, type_coerce, update

from recorder.capture.session import Recording
from recorder.seal.wrapping import ReaderKey, generate_reader_key
from recorder.search import rendering
from recorder.search.hits import Hit, Search
from recorder.search.indexer import CAUGHT_UP, FAILED, RETRY, Indexer
from recorder.search.query import parse
from recorder.search.rendering import Bounds, State
from recorder.store.tables import sessions_closed, sessions_purged
from recorder.trace.frames import FrameType, canonical
from tests.support.traces import HOSPITAL, Studio, header, studio, unexpected
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

OTHER = "f" * 32
SECRET = "hunter2-unseen"
PTY = {"pty": {"term": "xterm", "columns": 80, "rows": 24}, "request": "shell"}


class Forbidden:
    """Stands where a store does: a trace is not fetched where no key opens it."""

    def __getattr__(self, name: str) -> object:
        """Fail."""
        raise AssertionError(f"the store was asked to {name}")


@dataclass
class Library:
    """A recorder, an indexer over its catalogue, and the keys that are at hand."""

    made: Studio
    folder: Path
    keys: list[ReaderKey] = field(default_factory=list)
    at: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    bounds: Bounds = field(default_factory=Bounds)
    told: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the indexer."""
        self.indexer = self.anew()

    def anew(self) -> Indexer:
        """Return an indexer as a console that starts again has it."""
        return Indexer(
            self.made.recorder.database, self.folder, hospitals=self.hospitals, store=self.made.recorder.store,
            keys=lambda: self.keys, now=lambda: self.at, bounds=self.bounds, tell=self.tell,
        )  # fmt: skip

    async def tell(
        self, _hospital: str, name: str, session_id: str | None, _facts: dict[str, object]
    ) -> None:
        """Keep what an alarm is made of."""
        self.told.append((name, session_id))

    def forbid_store(self) -> None:
        """Let the indexer fail where it asks the store for anything."""
        forbidden: Any = Forbidden()
        self.indexer = Indexer(
            self.made.recorder.database, self.folder, hospitals=self.hospitals, store=forbidden,
            keys=lambda: self.keys, now=lambda: self.at, bounds=self.bounds,
        )  # fmt: skip

    async def hospitals(self) -> Sequence[str]:
        """Both hospitals."""
        return [HOSPITAL, OTHER]

    async def record(self, fill: Callable[[Recording], None], hospital: str = HOSPITAL) -> str:
        """Record a session to its end, in the store."""
        opened = header(hospital_id=hospital)
        recording = await self.made.recorder.open(opened, unexpected)
        fill(recording)
        await recording.close("client_left")
        return opened.session_id

    async def indexed(self) -> None:
        """Index what there is."""
        for hospital in await self.hospitals():
            while await self.indexer.step(hospital):
                pass

    def found(self, typed: str, hospital: str = HOSPITAL, **where: object) -> list[Hit]:
        """Search."""
        search = Search(query=parse(typed), **{"whom": {}, **where})  # type: ignore[arg-type]  # its fields
        return self.indexer.index(hospital).search(search).found

    def states(self) -> dict[str, tuple[State, str]]:
        """The state of each trace, and why."""
        index = self.indexer.index(HOSPITAL)
        return {one.session_id: (one.state, one.why) for state in State for one in index.standing(state)}


@asynccontextmanager
async def library(
    tmp_path: Path, *, sealed: bool = True, bounds: Bounds | None = None
) -> AsyncIterator[Library]:
    """A library whose traces are sealed for one reader, whose key is at hand."""
    key = generate_reader_key(tmp_path / "reader.pem")
    readers = {"reader_keys": (tmp_path / "reader.pem.pub",)} if sealed else {}
    async with studio(tmp_path / "made", **readers) as made:
        yield Library(made, tmp_path / "search", [key], bounds=bounds or Bounds())


def work(recording: Recording) -> None:
    """A technician's session: a shell, a command, a file, something typed without echo, a refusal."""
    recording.record(FrameType.REQUEST, 1, canonical(PTY))
    recording.record(FrameType.OUTPUT, 1, b"maint@scan01:~$ sudo rm -rf /var/lib/pacs\r\nPassword: ")
    recording.record(FrameType.INPUT, 1, canonical({"length": len(SECRET)}))
    recording.record(FrameType.OUTPUT, 1, "\r\nSupprimé : étalonnage\r\n".encode())
    recording.record(FrameType.REQUEST, 2, canonical({"request": "exec", "command": "systemctl stop dicom"}))
    recording.record(FrameType.INPUT, 2, SECRET.encode())
    recording.record(FrameType.ERROR_OUTPUT, 2, b"Failed to stop dicom.service\n")
    facts = {"op": "put", "phase": "done", "path": "/opt/fw-7.bin", "size": 5, "sha256": "c0ffee" + "0" * 58}
    recording.record(FrameType.FILE, 3, canonical(facts))
    recording.record(
        FrameType.REFUSED, 4, canonical({"request": "exec", "reason": "channel.refused", "rule": "C7"})
    )


async def test_what_was_done_is_found_and_says_when(tmp_path: Path) -> None:
    """Screens, commands, files by digest, findings, people: each with its session, moment and a harmless line."""
    async with library(tmp_path) as books:
        session = await books.record(work)
        await books.indexed()
        assert books.states() == {session: (State.INDEXED, "")}
        [hit] = books.found('"rm -rf" pacs')
        assert (hit.session_id, hit.kind, hit.channel) == (session, "screen", 1)
        assert "".join(piece.text for piece in hit.snippet) == "maint@scan01:~$ sudo rm -rf /var/lib/pacs"
        assert [piece.text for piece in hit.snippet if piece.hit] == ["rm -rf", "pacs"]
        assert [one.kind for one in books.found("systemctl")] == ["command"]
        assert [one.kind for one in books.found("failed dicom")] == ["screen"]
        assert [one.kind for one in books.found("c0ffee*")] == ["file"]
        assert [one.kind for one in books.found("C7 kind:finding")] == ["finding"]
        assert [one.kind for one in books.found("martin 192.0.2.7")] == ["session"]
        assert [one.kind for one in books.found("etalonnage")] == ["screen"]
        assert [one.kind for one in books.found("2026-03-29 shell")] == ["session"]
        assert {one.kind for one in books.found("kind:command")} == {"command"}
        assert books.found("kind:screen c0ffee*") == []


async def test_where_and_when_narrow_it(tmp_path: Path) -> None:
    """Device, person, supplier, session and time each narrow; a page goes on where the one before ended."""
    async with library(tmp_path) as books:
        sessions = [await books.record(work) for _ in range(3)]
        await books.indexed()
        begin = header().started_at
        assert len(books.found("pacs")) == 3
        assert len(books.found("pacs", whom={"device": "c" * 32, "person": "a" * 32})) == 3
        assert books.found("pacs", whom={"device": "d" * 32}) == []
        assert [one.session_id for one in books.found(f"pacs session:{sessions[1][:12]}")] == [sessions[1]]
        assert len(books.found("pacs", since=begin, until=begin + timedelta(minutes=1))) == 3
        assert books.found("pacs", until=begin) == []
        assert books.found("pacs", since=begin + timedelta(minutes=1)) == []
        index, pages, after = books.indexer.index(HOSPITAL), [], None
        while True:
            page = index.search(Search(query=parse("pacs"), whom={}, limit=2, after=after))
            pages.append([one.session_id for one in page.found])
            after = page.after
            if after is None:
                break
        assert [len(page) for page in pages] == [2, 1]
        assert {name for page in pages for name in page} == set(sessions)


async def test_the_index_is_its_owner_s_and_holds_nothing_unseen_and_nobody_else_s(tmp_path: Path) -> None:
    """The file's mode is 0600; what was typed is in none of its bytes; another hospital has a file of its own."""
    async with library(tmp_path) as books:
        await books.record(work)
        await books.record(work, OTHER)
        await books.indexed()
        files = sorted(books.folder.iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(books.folder.stat().st_mode) == 0o700
        assert all(SECRET.encode() not in path.read_bytes() for path in files)
        assert {one.session_id for one in books.found("pacs")}.isdisjoint(
            one.session_id for one in books.found("pacs", OTHER)
        )
        assert (len(books.found("pacs")), len(books.found("pacs", OTHER))) == (1, 1)


async def test_locked_keys_are_waited_for(tmp_path: Path) -> None:
    """Without a reader's key a trace waits, and says so; with one it is indexed a minute later at most."""
    async with library(tmp_path) as books:
        keys, books.keys = books.keys, []
        session = await books.record(work)
        books.forbid_store()
        await books.indexed()
        assert books.states() == {session: (State.WAITING, "locked")}
        assert books.found("pacs") == []
        books.keys = keys
        books.indexer = books.anew()
        await books.indexed()
        assert books.states() == {session: (State.WAITING, "locked")}
        books.at += RETRY + timedelta(seconds=1)
        await books.indexed()
        assert books.states() == {session: (State.INDEXED, "")}


async def test_what_is_purged_or_erased_leaves_the_index(tmp_path: Path) -> None:
    """A purged trace is in no answer and in no byte of the file; one whose wraps are gone is never read."""
    async with library(tmp_path) as books:
        gone, stays = await books.record(work), await books.record(work)

        def also(recording: Recording) -> None:
            recording.record(FrameType.OUTPUT, 1, b"unmistakable words\n")

        purged = await books.record(also)
        await books.indexed()
        assert len(books.found("unmistakable")) == 1
        async with books.made.recorder.database.write() as connection:
            rows = [
                {"hospital_id": HOSPITAL, "session_id": name, "purged_at": books.at, "purge_sha256": "0" * 64}
                for name in (gone, purged)
            ]
            await connection.execute(insert(sessions_purged), rows)
        assert await books.indexer.purged(HOSPITAL, [gone, stays]) == {gone}
        await books.indexed()
        assert [one.session_id for one in books.found("pacs")] == [stays]
        assert all(b"unmistakable" not in path.read_bytes() for path in books.folder.iterdir())
        erased = await books.record(work)
        place = books.made.recorder.store.find(HOSPITAL, erased)
        books.made.recorder.store.destroy_wraps(place)
        await books.indexed()
        state, why = books.states()[erased]
        assert (state, "every wrap" in why) == (State.FAILED, True)


async def test_an_index_is_made_anew_whatever_became_of_it(tmp_path: Path) -> None:
    """A rebuild, and a file that is an index no more, end in the same index."""
    async with library(tmp_path) as books:
        session = await books.record(work)
        await books.indexed()
        books.indexer.rebuild(HOSPITAL)
        await books.indexed()
        assert [one.session_id for one in books.found("pacs")] == [session]
        path = books.indexer.index(HOSPITAL).path
        for beside in path.parent.glob(f"{path.name}*"):
            beside.write_bytes(b"no database" * 1000)
        books.indexer.rebuild(HOSPITAL)
        await books.indexed()
        assert [one.session_id for one in books.found("pacs")] == [session]
        assert await books.indexer.total(HOSPITAL) == 1


async def test_poison_is_bounded_and_the_next_trace_is_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless line, a storm of sequences and noise cost their bound, keep what came first, and hold up nobody."""
    monkeypatch.setattr(rendering, "_PATIENCE", 60)  # the worker lets everybody go first

    def endless(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, canonical(PTY))
        recording.record(FrameType.OUTPUT, 1, b"beforehand\r\n" * 30)
        for _ in range(6):
            recording.record(FrameType.OUTPUT, 1, b"A" * (1 << 20))

    def storm(recording: Recording) -> None:
        recording.record(FrameType.REQUEST, 1, canonical(PTY))
        recording.record(
            FrameType.OUTPUT, 1, b"\x1b[1;1H\x1b[2J" * 20_000 + bytes(range(256)) * 500 + b"</script>=cmd\r\n"
        )

    async with library(tmp_path, bounds=Bounds(cpu_seconds=1, text_mib=1)) as books:
        first, second = await books.record(endless), await books.record(storm)
        third = await books.record(work)
        await books.indexed()
        states = books.states()
        assert states[first] == (State.TRUNCATED, "time")
        assert len(books.found("beforehand")) == 1
        assert states[second][0] in {State.INDEXED, State.TRUNCATED}
        assert states[third] == (State.INDEXED, "")
        [hit] = books.found("pacs")
        assert hit.session_id == third


async def test_a_trace_that_was_changed_is_failed_by_name(tmp_path: Path) -> None:
    """What breaks the chain is told; the loop of the console goes on."""
    async with library(tmp_path, sealed=False) as books:
        session = await books.record(work)
        place = books.made.recorder.store.find(HOSPITAL, session)
        with books.made.recorder.store.opened(place) as folder:
            [trace] = folder.glob("trace*.ecl")
        stored = bytearray(trace.read_bytes())
        stored[-3] ^= 1
        trace.chmod(0o640)
        trace.write_bytes(stored)
        running = asyncio.create_task(books.indexer.run())
        await eventually(lambda: bool(books.told))
        running.cancel()
        state, why = books.states()[session]
        assert state is State.FAILED
        assert "record" in why
        assert books.told == [(FAILED, session)]


async def test_an_end_that_no_calendar_has_hides_no_later_session(tmp_path: Path) -> None:
    """Whoever planted that row of the catalogue stops nobody's search: what ends after it was seen is indexed."""
    async with library(tmp_path, sealed=False) as books:
        first = await books.record(work)
        async with books.made.recorder.database.write() as connection:
            never = type_coerce(2**63 - 1, BigInteger)
            await connection.execute(update(sessions_closed).values(closed_at=never))
        async with asyncio.timeout(30):
            await books.indexed()
            second = await books.record(work)
            await books.indexed()
        assert books.states() == dict.fromkeys((first, second), (State.INDEXED, ""))


async def test_an_index_that_cannot_be_written_is_told_once_and_when_it_works_again(tmp_path: Path) -> None:
    """A file in the folder's place stops the indexing of both hospitals: each is told of, and that it is over."""
    async with library(tmp_path, sealed=False) as books:
        await books.record(work)
        books.folder.parent.mkdir(parents=True, exist_ok=True)
        books.folder.write_bytes(b"in the way")
        running = asyncio.create_task(books.indexer.run())
        await eventually(lambda: len(books.told) == 2)
        for _ in range(3):
            books.indexer.wake()
            await asyncio.sleep(0)
        assert books.told == [(FAILED, None)] * 2
        books.folder.unlink()
        books.indexer.wake()
        await eventually(lambda: len(books.told) == 4)
        running.cancel()
        assert books.told[2:] == [(CAUGHT_UP, None)] * 2
