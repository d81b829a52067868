"""Recordings at hand: made once, bounded, and gone with the key that opened them."""

import asyncio

import pytest
import structlog.testing
import zstandard

from admin_api.console.staff.recordings import PictureMissing, Prepared, Recordings
from recorder.errors import TraceSealed
from recorder.replay.outline import Outline
from recorder.replay.picture import Picture
from recorder.replay.pieces import Recording, Segment

NOBODY: frozenset[str] = frozenset()


def nobody() -> frozenset[str]:
    """No reader's key is open."""
    return NOBODY


def opened(size: int = 10) -> tuple[Recording, frozenset[str]]:
    """A recording that needed no key."""
    return made(size), NOBODY


def made(size: int = 10, pieces: int = 1) -> Recording:
    """A recording of so many pieces, which are no sound ones, each of that size."""
    return Recording(
        Outline(80, 24), [Segment(at, size, False, 0, lambda: b"x" * size, size) for at in range(pieces)]
    )


async def test_however_many_ask_it_is_made_once() -> None:
    """Those who ask while it is made, and afterwards, get the same."""
    calls: list[int] = []

    def cut() -> tuple[Recording, frozenset[str]]:
        calls.append(1)
        return opened()

    recordings = Recordings()
    first, second = await asyncio.gather(*(recordings.get("a", cut, nobody) for _ in range(2)))
    assert first is second
    assert await recordings.get("a", cut, nobody) is first
    assert calls == [1]


async def test_a_recording_that_cannot_be_made_is_asked_for_anew() -> None:
    """What went wrong is told to whoever asked, and the next one tries again."""
    recordings = Recordings()

    def broken() -> tuple[Recording, frozenset[str]]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await recordings.get("a", broken, nobody)
    assert isinstance(await recordings.get("a", opened, nobody), Prepared)


async def test_the_one_used_longest_ago_gives_way() -> None:
    """No more bytes are kept than allowed, but for the one that is asked for."""
    recordings = Recordings(most=25)
    kept = {key: await recordings.get(key, opened, nobody) for key in ("a", "b")}
    assert await recordings.get("a", opened, nobody) is kept["a"]
    await recordings.get("c", opened, nobody)
    assert await recordings.get("a", opened, nobody) is kept["a"]
    assert await recordings.get("b", opened, nobody) is not kept["b"]


async def test_what_a_key_opened_goes_when_it_is_locked() -> None:
    """A reader's key that is locked again takes with it what was made while it was open."""
    recordings = Recordings()
    both, one = frozenset({"a", "b"}), frozenset({"a"})
    first = await recordings.get("x", lambda: (made(), both), lambda: both)
    assert await recordings.get("x", lambda: (made(), both), lambda: both) is first
    assert await recordings.get("x", lambda: (made(), one), lambda: one) is not first


async def test_what_a_key_opened_that_is_locked_meanwhile_is_given_to_nobody() -> None:
    """A key locked while a recording is made: it is asked for once more, and refused as it would be now."""
    recordings, open_now = Recordings(), [frozenset({"a"})]

    def cut() -> tuple[Recording, frozenset[str]]:
        if not open_now[0]:
            raise TraceSealed("locked again")
        was, open_now[0] = open_now[0], NOBODY
        return made(), was

    with pytest.raises(TraceSealed, match="locked again"):
        await recordings.get("x", cut, lambda: open_now[0])


async def test_pictures_that_cannot_be_drawn_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program that draws ends, the first piece is there, the others are missed, and nobody waits for ever."""
    monkeypatch.setattr("admin_api.live.drawing._PROGRAM", "recorder.replay.absent")
    monkeypatch.setattr("recorder.replay.pieces.CAUGHT_UP", 0)
    recordings = Recordings()
    prepared = await recordings.get("x", lambda: (made(pieces=3), NOBODY), nobody)
    assert (await prepared.picture(0, 1)).output == ""
    with pytest.raises(PictureMissing):
        await prepared.picture(2, 20)
    with pytest.raises(IndexError):
        await prepared.picture(3, 1)
    await recordings.close()


async def test_who_waits_for_a_picture_is_served_as_soon_as_the_player_can_draw_the_rest() -> None:
    """A far jump waits until what is drawn is near enough, and not until it is there."""
    text = zstandard.compress(b'[[0.0, "o", "x"]]')
    pieces = [Segment(at, 1 << 20, False, 0, lambda: text, 1) for at in range(9)]
    recording = Recording(Outline(80, 24), pieces)
    prepared = Prepared(recording, [recording.first()], NOBODY)
    with pytest.raises(TimeoutError):
        await prepared.picture(8, 0)
    waiting = asyncio.create_task(prepared.picture(8, 60))
    while len(prepared.pictures) < 7:
        assert not waiting.done()
        async with prepared.drawn:
            prepared.pictures.append(Picture(80, 24, "drawn"))
            prepared.drawn.notify_all()
        await asyncio.sleep(0)
    assert (await waiting).output == "drawnxx"


async def test_a_key_that_is_locked_while_pictures_are_drawn_spoils_none() -> None:
    """Drawn, they cannot be kept for others without the key: that is noted, and the pictures serve."""

    def drawn(*_: object) -> None:
        raise TraceSealed("locked again")

    def cut() -> tuple[Recording, frozenset[str]]:
        text = zstandard.compress(b"[]")
        pieces = [Segment(at, 1, False, 0, lambda: text, 1) for at in range(2)]
        return Recording(Outline(80, 24), pieces), NOBODY

    recordings = Recordings()
    with structlog.testing.capture_logs() as told:
        prepared = await recordings.get("x", cut, nobody, drawn)
        await asyncio.gather(*recordings._drawing)
    assert [one["event"] for one in told] == ["replay.not_kept"]
    assert (await prepared.picture(1, 1)).columns == 80
    assert not prepared.failed
