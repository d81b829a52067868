r"""The scp protocol (``scp -O``) read in passing: each file's name, size and digest.

Nothing is changed or held back: the direction was decided with the command. The side that has the files
sends ``C<mode> <size> <name>\n`` and the content, ``D…``/``E`` around a folder and ``T…`` for times; the
other answers each with a zero byte, or 1 or 2 and a line. A stream that says anything else is noted once
as ``unparsed`` and no longer read.
"""

import hashlib
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Literal

from gateway.session.transfer.operation import Direction, FileOperation, Phase, shown_name

_MAX_LINE = 8192
_MAX_DEPTH = 256
_FILE = re.compile(rb"C[0-7]{4} (\d{1,19}) ([^\n\0]+)")
_FOLDER = re.compile(rb"D[0-7]{4} \d{1,19} ([^\n\0]+)")
_TIMES = re.compile(rb"T\d{1,20} \d{1,6} \d{1,20} \d{1,6}")


class _State(Enum):
    LINE = auto()  # the source may say what comes
    ANSWER = auto()  # the sink must answer first
    CONTENT = auto()
    STATUS = auto()  # the source's own word on the content it sent


class _UnparsedError(Exception):
    """The stream is not what the protocol says."""


class ScpTap:
    """Watches both legs of one scp command; passes every byte unchanged.

    ``on_operation`` is called with a file before its first byte is given out, and when its end is known.
    Paths are relative to ``base``, the path of the command, which each record carries as its target.
    """

    def __init__(
        self,
        kind: Literal["scp-up", "scp-down"],
        on_operation: Callable[[FileOperation], None],
        base: str = "",
    ) -> None:
        """Watch a command of *kind*, whose path argument was *base*."""
        self._up = kind == "scp-up"
        self._note = on_operation
        self._base = base
        self._state = _State.ANSWER  # the sink speaks first
        self._line = bytearray()
        self._answer_line: bytearray | None = None
        self._folders: list[bytes] = []
        self._pending: FileOperation | None = None  # announced, not yet settled
        self._left = 0
        self._size = 0
        self._hash = hashlib.sha256()
        self._content_over = False
        self._failed = False
        self.parsed = True

    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        """Take *data* from the client; return the bytes for the device, and none back."""
        self._watch(data, source=self._up)
        return data, b""

    def from_device(self, data: bytes) -> bytes:
        """Take *data* from the device; return the bytes for the client."""
        self._watch(data, source=not self._up)
        return data

    def end(self) -> None:
        """Note a file that was under way when the channel closed; to be called once."""
        if self._pending is not None:
            self._finish("unfinished")

    def _watch(self, data: bytes, *, source: bool) -> None:
        if not self.parsed:
            return
        try:
            if source:
                self._from_source(data)
            else:
                self._from_sink(data)
        except _UnparsedError:
            self.parsed = False
            self._line.clear()
            if self._pending is not None:
                self._finish("unfinished")
            self._note(
                FileOperation(
                    op="upload" if self._up else "download",
                    phase=Phase.DONE,
                    path=self._base,
                    direction=self._direction,
                    result="unfinished",
                    flags=("unparsed",),
                )
            )

    # --- the side that has the files ------------------------------------------------------------------

    def _from_source(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            match self._state:
                case _State.CONTENT:
                    piece = memoryview(data)[at : at + self._left]
                    self._hash.update(piece)
                    self._size += len(piece)
                    self._left -= len(piece)
                    at += len(piece)
                    if not self._left:
                        self._state = _State.STATUS
                case _State.STATUS | _State.LINE:
                    at = self._source_line(data, at)
                case _State.ANSWER:
                    raise _UnparsedError

    def _source_line(self, data: bytes, at: int) -> int:
        if self._state is _State.STATUS and not self._line and data[at] == 0:
            self._content_over, self._state = True, _State.ANSWER
            return at + 1
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end
        self._line += data[at:stop]
        if len(self._line) > _MAX_LINE:
            raise _UnparsedError
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            self._said(line)
        return stop if end < 0 else end + 1

    def _said(self, line: bytes) -> None:
        if line[:1] in {
            b"\1",
            b"\2",
        }:  # a complaint: in place of a status it ends the file, else it stands alone
            if self._state is _State.STATUS:
                self._failed = self._content_over = True
                self._state = _State.ANSWER
            return
        if self._state is _State.STATUS:
            raise _UnparsedError
        self._state = _State.ANSWER
        if found := _FILE.fullmatch(line):
            self._announce("upload" if self._up else "download", found[2], int(found[1]))
        elif found := _FOLDER.fullmatch(line):
            if len(self._folders) >= _MAX_DEPTH:
                raise _UnparsedError
            self._announce("mkdir" if self._up else "list", found[1], None)
            self._folders.append(found[1])
        elif line == b"E" and self._folders:
            self._folders.pop()
        elif not _TIMES.fullmatch(line):
            raise _UnparsedError

    def _announce(self, op: str, name: bytes, size: int | None) -> None:
        self._hash = hashlib.sha256()
        self._left, self._size = size or 0, 0
        self._failed = self._content_over = False
        self._pending = FileOperation(
            op=op,
            phase=Phase.ASKED,
            path=shown_name(b"/".join([*self._folders, name])),
            target=self._base,
            size=size,
            direction=self._direction,
        )
        self._note(self._pending)

    # --- the side that takes them ---------------------------------------------------------------------

    def _from_sink(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._answer_line is not None:
                end = data.find(b"\n", at)
                self._answer_line += data[at : len(data) if end < 0 else end]
                if len(self._answer_line) > _MAX_LINE:
                    raise _UnparsedError
                if end < 0:
                    return
                self._answer_line = None
                self._answered(ok=False)
                at = end + 1
            elif data[at] in {1, 2}:
                self._answer_line = bytearray()
                at += 1
            elif data[at] == 0 and self._state is _State.ANSWER:
                self._answered(ok=True)
                at += 1
            else:
                raise _UnparsedError

    def _answered(self, *, ok: bool) -> None:
        if self._state is not _State.ANSWER:  # an early complaint, while content still flows
            self._failed = True
            return
        self._state = _State.LINE
        if self._pending is None:
            return
        if self._content_over or self._pending.size is None or not ok:
            folder_refused = self._pending.size is None and not ok
            self._finish("ok" if ok and not self._failed else "failure")
            if folder_refused:
                self._folders.pop()
        elif self._left:
            self._state = _State.CONTENT
        else:
            self._state = _State.STATUS

    def _finish(self, result: str) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        content = pending.size is not None
        self._note(
            FileOperation(
                op=pending.op,
                phase=Phase.DONE,
                path=pending.path,
                target=pending.target,
                size=self._size if content else None,
                sha256=self._hash.hexdigest() if content else None,
                direction=pending.direction,
                result=result,
            )
        )

    @property
    def _direction(self) -> Direction:
        return Direction.UP if self._up else Direction.DOWN
