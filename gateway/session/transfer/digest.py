"""SHA-256 of a file whose pieces pass with their offsets, perhaps a little out of order."""

import hashlib

REORDER_BYTES = 8 << 20
"""How much may wait for the piece before it, over all the files of a stream."""


class ReorderBudget:
    """Bytes that the digests of one stream may hold back together."""

    def __init__(self, limit: int = REORDER_BYTES) -> None:
        """Allow *limit* bytes."""
        self._left = limit

    def take(self, count: int) -> bool:
        """Reserve *count* bytes; False where that is too many."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give(self, count: int) -> None:
        """Return *count* bytes."""
        self._left += count


class SequentialDigest:
    """A whole-file digest, or the knowledge that there is none.

    Pieces that come early wait within the budget. A byte that passes twice, or a gap wider than the
    budget, means random access: then only the count of bytes remains true.
    """

    def __init__(self, budget: ReorderBudget) -> None:
        """Hold early pieces within *budget*, which the other files of the stream share."""
        self._budget = budget
        self._hash = hashlib.sha256()
        self._next = 0
        self._early: dict[int, bytes] = {}
        self._sequential = True
        self.size = 0

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """Take the bytes *data* that stand at *offset* in the file."""
        length = len(data)
        self.size += length
        if not self._sequential or not length:
            return
        if offset == self._next:
            self._hash.update(data)
            self._next += length
            if self._early:
                self._catch_up()
        elif offset > self._next and offset not in self._early and self._budget.take(length):
            self._early[offset] = bytes(data)
        else:
            self.spoil()

    def spoil(self) -> None:
        """Give up on a whole-file digest: something else changed the content."""
        self._sequential = False
        self.release()

    def release(self) -> None:
        """Drop what waits, and return its share of the budget."""
        self._budget.give(sum(map(len, self._early.values())))
        if self._early:
            self._sequential = False
            self._early.clear()

    @property
    def sequential(self) -> bool:
        """Whether every byte so far passed once, with no gap."""
        return self._sequential and not self._early

    def hexdigest(self) -> str | None:
        """Return the digest of the file in hexadecimal, or None where no whole-file digest is known."""
        return self._hash.hexdigest() if self.sequential else None

    def _catch_up(self) -> None:
        while (data := self._early.pop(self._next, None)) is not None:
            self._budget.give(len(data))
            self._hash.update(data)
            self._next += len(data)
