"""What is kept of long recordings for the player: made apart, sealed as their traces are, and worth nothing by itself."""

import hashlib
import json
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recorder.capture.session import Recording as Live
from recorder.errors import TraceFormatError
from recorder.replay.cache import ReplayCache
from recorder.replay.outline import MarkKind
from recorder.replay.pieces import Recording, cut
from recorder.replay.reader import TraceReader
from recorder.replay.screen import Drawing
from recorder.replay.timeline import Raw
from recorder.seal.wrapping import ReaderKey, data_key, generate_reader_key
from recorder.search.indexer import Indexer
from recorder.search.rendering import Bounds
from recorder.store.tables import sessions_purged
from recorder.trace.frames import FrameType, canonical
from recorder.trace.header import TraceHeader
from recorder.trace.place import MANIFEST
from tests.support.player import play
from tests.support.traces import HOSPITAL, Studio, header, studio, unexpected

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def long(live: Live) -> None:
    """A terminal whose output is some pieces long, with a command in the first and a file in the last."""
    chance = random.Random(7)
    pty = {"pty": {"term": "xterm", "columns": 80, "rows": 24}, "request": "shell"}
    live.record(FrameType.REQUEST, 1, canonical(pty))
    for number in range(40):
        live._zero_ns -= 30_000_000_000
        lines = (f"tube {number}.{line} état {chance.randrange(1 << 60):015x}\r\n" for line in range(500))
        live.record(FrameType.OUTPUT, 1, "".join(lines).encode())
    live.record(FrameType.FILE, 2, canonical({"op": "upload", "path": "/f", "phase": "done", "size": 3}))


@dataclass
class Shelf:
    """A sealed trace in a store, its key, and what is kept of it."""

    made: Studio
    header: TraceHeader
    folder: Path
    reader: ReaderKey
    cache: ReplayCache
    kept: Path

    @property
    def key(self) -> bytes:
        """The trace's data key."""
        return data_key(self.folder, self.header, [self.reader])

    @property
    def digest(self) -> str:
        """Of its manifest."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    def load(self) -> Recording | None:
        """What is kept."""
        return self.cache.load(self.header, self.digest, self.key)


@asynccontextmanager
async def shelf(tmp_path: Path, fill: Callable[[Live], None] = long) -> AsyncIterator[Shelf]:
    """Record a session, sealed; nothing is kept yet."""
    reader = generate_reader_key(tmp_path / "reader.pem")
    settings: dict[str, Any] = {"reader_keys": (tmp_path / "reader.pem.pub",), "write_timeout_seconds": 1e6}
    async with studio(tmp_path / "made", **settings) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        fill(recording)
        await recording.close("client_left")
        folder = made.trace(opened.session_id)
        with TraceReader(folder) as trace:
            stored = trace.header
        cache = ReplayCache(tmp_path / "replay", 1 << 30)
        yield Shelf(
            made, stored, folder, reader, cache, tmp_path / "replay" / HOSPITAL / f"{stored.session_id}.zip"
        )


async def test_what_is_kept_is_what_a_player_is_given(tmp_path: Path) -> None:
    """A process of its own cuts and draws: pieces, marks and pictures are those that are made on the spot."""
    async with shelf(tmp_path) as one:
        assert await one.cache.make(one.folder, one.header, one.key)
        kept = one.load()
        assert kept is not None
        assert kept.picture is not None
        with TraceReader(one.folder, [one.reader]) as reader:
            made = cut(reader)
        assert len(made.segments) == 3
        assert kept.size == 0
        assert [mark.kind for mark in kept.outline.marks] == [MarkKind.COMMAND, MarkKind.FILE]
        drawing = Drawing(80, 24)
        for number, segment in enumerate(made.segments):
            picture = kept.picture(number)
            assert picture.output == (drawing.output() if number else "")
            drawing.follow_all(json.loads(segment.text))
        for short in (False, True):
            assert kept.index(Raw(), short=short) == made.index(Raw(), short=short)
            loaded = [
                kept.piece(number, kept.picture(number), Raw(), short=short)
                for number in range(len(kept.segments))
            ]
            assert loaded == [
                made.piece(number, kept.picture(number), Raw(), short=short)
                for number in range(len(made.segments))
            ]
            play(kept.index(Raw(), short=short), [json.loads(piece) for piece in loaded].__getitem__)


async def test_it_shows_nothing_without_the_trace_s_key(tmp_path: Path) -> None:
    """No word of the session is in the file, nobody else may read it, and another key or trace opens nothing of it."""
    async with shelf(tmp_path) as one:
        await one.cache.make(one.folder, one.header, one.key)
        stored = one.kept.read_bytes()
        assert not any(word in stored for word in (b"tube", b"xterm", b"upload", b"command"))
        assert one.kept.stat().st_mode & 0o777 == 0o600
        assert one.kept.parent.stat().st_mode & 0o777 == 0o700
        assert one.kept.parent.parent.stat().st_mode & 0o777 == 0o700
        for key, digest in ((os.urandom(32), one.digest), (one.key, "0" * 64)):
            assert one.cache.load(one.header, digest, key) is None
            assert not one.kept.exists()  # it would be in the way of a better one
            one.kept.write_bytes(stored)
        other = header(suite=one.header.suite, sealing=one.header.sealing)
        one.kept.rename(one.kept.with_name(f"{other.session_id}.zip"))
        assert one.cache.load(other, one.digest, one.key) is None
        assert one.load() is None


async def test_what_is_damaged_is_not_shown(tmp_path: Path) -> None:
    """A flipped bit in a piece is found when that piece is asked for; a file cut short is not there at all."""
    async with shelf(tmp_path) as one:
        await one.cache.make(one.folder, one.header, one.key)
        stored = bytearray(one.kept.read_bytes())
        at = stored.index(b"1.picture") - 5000  # within piece 1
        stored[at] ^= 1
        one.kept.write_bytes(stored)
        kept = one.load()
        assert kept is not None
        with pytest.raises(TraceFormatError):
            kept.segments[1].text  # noqa: B018 - it is asked for
        one.kept.write_bytes(stored[: len(stored) // 2])
        assert one.load() is None
        assert not one.kept.exists()


async def test_the_one_used_longest_ago_gives_way(tmp_path: Path) -> None:
    """No more is kept than allowed; what cannot be kept at all leaves nothing behind."""
    async with shelf(tmp_path) as one:
        await one.cache.make(one.folder, one.header, one.key)
        size = one.kept.stat().st_size
        older = one.kept.with_name("f" * 32 + ".zip")
        older.write_bytes(one.kept.read_bytes())
        os.utime(older, (0, 0))
        narrow = ReplayCache(tmp_path / "replay", size + 10)
        one.kept.unlink()
        assert await narrow.make(one.folder, one.header, one.key)
        assert [path.name for path in one.kept.parent.iterdir()] == [one.kept.name]
        one.kept.unlink()
        tiny = ReplayCache(tmp_path / "replay", size // 2)
        assert not await tiny.make(one.folder, one.header, one.key)
        assert list(one.kept.parent.iterdir()) == []


async def test_a_short_recording_is_not_kept(tmp_path: Path) -> None:
    """It is cut faster than a process starts."""
    async with shelf(tmp_path, lambda live: live.record(FrameType.OUTPUT, 1, b"bonjour\r\n")) as one:
        assert not await one.cache.make(one.folder, one.header, one.key)
        assert one.load() is None


async def test_it_comes_with_the_index_and_goes_with_the_trace(tmp_path: Path) -> None:
    """Whoever indexes a trace keeps it cut; once it is purged nothing of it is kept."""
    async with shelf(tmp_path) as one:

        async def hospitals() -> list[str]:
            return [HOSPITAL]

        indexer = Indexer(
            one.made.recorder.database, tmp_path / "search", hospitals=hospitals, store=one.made.recorder.store,
            keys=lambda: [one.reader], now=lambda: AT, bounds=Bounds(), replays=one.cache,
        )  # fmt: skip
        await indexer.step(HOSPITAL)
        assert one.load() is not None
        row = {
            "session_id": one.header.session_id,
            "hospital_id": HOSPITAL,
            "purged_at": AT,
            "purge_sha256": "0" * 64,
        }
        async with one.made.recorder.database.write() as connection:
            await connection.execute(sessions_purged.insert().values(**row))
        await indexer.step(HOSPITAL)
        assert not one.kept.exists()
