"""Recordings made ready for the player: those that were cut before, when they were indexed, and those that are cut here.

What is cut here is kept packed in memory, for it is not sealed any more, and is gone with the process. The pictures of its
later pieces are drawn by a process of low priority, one after another, while the first piece plays; who goes ahead of it
waits for the picture that she needs.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from admin_api.live.drawing import artist
from policy.errors import NotFound
from recorder.errors import RecorderError
from recorder.replay.picture import Picture
from recorder.replay.pieces import Recording

log = structlog.get_logger()
MOST_KEPT: Final = 256 * 1024 * 1024
"""Bytes of recordings kept; the one used longest ago goes first."""
MOST_OPEN: Final = 64
"""Recordings kept; one that was cut before holds a file open."""
Readers = frozenset[str]
"""Readers' keys, by their identifiers."""
Cut = Callable[[], tuple[Recording, Readers]]
"""Gives a recording, and which readers' keys were open when it was opened. Blocks."""
Drawn = Callable[[Recording, Sequence[Picture]], None]
"""Takes a recording whose pictures are all drawn. Blocks."""


class PictureMissing(Exception):
    """A piece's picture could not be drawn; the pieces before it can be played."""


@dataclass(slots=True)
class Prepared:
    """One recording, and the pictures of its pieces as far as they are drawn.

    ``readers`` are the readers' keys that were open when it was made; ``failed``: no further picture comes.
    """

    recording: Recording
    pictures: list[Picture]
    readers: Readers
    drawn: asyncio.Condition = field(default_factory=asyncio.Condition)
    failed: bool = False

    async def picture(self, number: int, within: float) -> Picture:
        """Return the picture that piece *number* begins with.

        Where it is not drawn yet, the player draws it out of the last one that is; where that would be too much, this
        waits until it is less, *within* seconds at most. Raises IndexError where there is no such piece, PictureMissing,
        TimeoutError.
        """
        if not 0 <= number < len(self.recording.segments):
            raise IndexError(number)
        if self.recording.picture is not None:
            return await asyncio.to_thread(self.recording.picture, number)
        async with asyncio.timeout(within):
            while number >= (drawn := len(self.pictures)):
                last = drawn - 1
                found = await asyncio.to_thread(self.recording.caught_up, self.pictures[last], last, number)
                if found is not None:
                    return found
                async with self.drawn:
                    await self.drawn.wait_for(partial(self._further_than, drawn))
                if len(self.pictures) == drawn:
                    raise PictureMissing
        return self.pictures[number]

    def _further_than(self, drawn: int) -> bool:
        return len(self.pictures) > drawn or self.failed


class Recordings:
    """The recordings at hand in one console process."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        """Keep at most *most* bytes."""
        self._most = most
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._cutting: dict[str, asyncio.Task[Prepared]] = {}
        self._drawing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)

    async def get(
        self, key: str, cut: Cut, readers: Callable[[], Readers], drawn: Drawn | None = None
    ) -> Prepared:
        """Return the recording of *key*, made by *cut* (which runs apart) where it is not at hand.

        *drawn* is told once all pictures of one that was cut here are there.

        However many ask at once, it is made once. *readers* tells which readers' keys are open now (it blocks): what was
        made when another one was open too, which is locked again since, is let go of, and given to nobody, also where it
        was locked while it was made. Raises what *cut* raises.
        """
        while True:
            self._let_go(await asyncio.to_thread(readers))
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
            if key not in self._cutting:
                self._cutting[key] = asyncio.create_task(self._make(key, cut, drawn))
            made = await asyncio.shield(self._cutting[key])
            if made.readers <= await asyncio.to_thread(readers):
                return made

    def let_go(self, prepared: Prepared) -> None:
        """Keep a recording no longer: the next one to ask has it made anew."""
        for key in [key for key, one in self._kept.items() if one is prepared]:
            del self._kept[key]

    async def close(self) -> None:
        """End the drawing that is under way."""
        for task in self._drawing:
            task.cancel()
        await asyncio.gather(*self._drawing, return_exceptions=True)

    def _let_go(self, readers: Readers) -> None:
        for key in [key for key, one in self._kept.items() if not one.readers <= readers]:
            del self._kept[key]

    async def _make(self, key: str, cut: Cut, drawn: Drawn | None) -> Prepared:
        try:
            recording, readers = await asyncio.to_thread(cut)
            made = Prepared(recording, [recording.first()], readers)
            self._kept[key] = made
            self._make_room()
            if len(recording.segments) > 1 and recording.picture is None:
                task = asyncio.create_task(self._draw(made, drawn))
                self._drawing.add(task)
                task.add_done_callback(self._drawing.discard)
            return made
        finally:
            del self._cutting[key]

    def _make_room(self) -> None:
        while len(self._kept) > 1 and (
            len(self._kept) > MOST_OPEN or sum(one.recording.size for one in self._kept.values()) > self._most
        ):
            self._kept.popitem(last=False)

    async def _draw(self, made: Prepared, drawn: Drawn | None) -> None:
        try:
            async with self._turn, artist() as drawing:
                outline = made.recording.outline
                await drawing.begin(outline.columns, outline.rows)
                for segment in made.recording.segments[:-1]:
                    picture = await drawing.draw(segment.text)
                    async with made.drawn:
                        made.pictures.append(picture)
                        made.drawn.notify_all()
            if drawn is not None:
                await asyncio.to_thread(drawn, made.recording, made.pictures)
        except (RecorderError, NotFound) as gone:  # its reader's key was locked meanwhile, or it was purged
            log.info("replay.not_kept", why=type(gone).__name__, drawn=len(made.pictures))
        except (OSError, ValueError, asyncio.LimitOverrunError, EOFError) as broken:
            log.warning("replay.pictures_failed", error=type(broken).__name__, drawn=len(made.pictures))
        finally:
            made.failed = len(made.pictures) < len(made.recording.segments)
            async with made.drawn:
                made.drawn.notify_all()
