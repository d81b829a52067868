"""The files a client holds open over SFTP, and the contents that pass through each."""

from collections.abc import Iterator

from gateway.session.transfer.digest import ReorderBudget, SequentialDigest
from gateway.session.transfer.operation import Direction, FileOperation, Phase
from gateway.session.transfer.sftp_wire import OpenFlag


class OpenFile:
    """One open file or directory."""

    __slots__ = (
        "_append",
        "_down",
        "_fresh",
        "_set_size",
        "_up",
        "closing",
        "directory",
        "failure",
        "path",
        "readable",
        "refusal_noted",
        "saw_end",
        "writable",
    )

    def __init__(self, path: str, *, directory: bool, flags: int, budget: ReorderBudget) -> None:
        """Note *path*, opened with the OpenFlag bits *flags* (ignored for a directory)."""
        self.path = path
        self.directory = directory
        self.writable = not directory and bool(flags & OpenFlag.WRITE)
        self.readable = not directory and (bool(flags & OpenFlag.READ) or not self.writable)
        self.closing = False
        self.failure: str | None = None
        self.refusal_noted = False
        self.saw_end = False
        self._append = bool(flags & OpenFlag.APPEND)
        self._fresh = bool(flags & (OpenFlag.TRUNCATE | OpenFlag.EXCLUSIVE))
        self._set_size: int | None = None
        self._up = SequentialDigest(budget)
        self._down = SequentialDigest(budget)

    def sent(self, offset: int, data: memoryview) -> None:
        """Take bytes that go to the device."""
        self._up.feed(offset, data)
        self._set_size = None

    def received(self, offset: int, data: memoryview) -> None:
        """Take bytes that come from the device."""
        self._down.feed(offset, data)

    def resized(self, size: int) -> None:
        """Note that the client sets the file's size while it is open."""
        if size == 0 and self._up.size == 0:
            self._fresh = True
        elif size < self._up.size:
            self._up.spoil()
        self._set_size = size

    def overwritten(self) -> None:
        """Note that the device itself changes the content (copy-data)."""
        self._up.spoil()

    def records(self, result: str) -> Iterator[FileOperation]:
        """Yield what to note when the file is closed with *result*: one record for each direction used."""
        result = self.failure or result
        if self.writable and (self._up.size or not self._down.size):
            yield self._record("upload", Direction.UP, self._up, result)
        if self.readable and (self._down.size or not self.writable):
            yield self._record("download", Direction.DOWN, self._down, result)
        self._up.release()
        self._down.release()

    def _record(self, op: str, direction: Direction, digest: SequentialDigest, result: str) -> FileOperation:
        flags = []
        if not digest.sequential:
            flags.append("non-sequential")
        if direction is Direction.UP and self._append:
            flags.append("append")
        elif direction is Direction.UP and not self._fresh and self._set_size != digest.size:
            flags.append("in-place")
        known = digest.size or direction is Direction.UP or self.saw_end
        return FileOperation(
            op=op,
            phase=Phase.DONE,
            path=self.path,
            size=digest.size,
            sha256=digest.hexdigest() if known else None,
            direction=direction,
            result=result,
            flags=tuple(flags),
        )
