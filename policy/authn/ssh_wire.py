"""The SSH wire encoding (RFC 4251 section 5), read within bounds from bytes that nobody vouches for."""


class WireReader:
    """Takes fields off the front of *data*; raises ValueError where one is cut short."""

    def __init__(self, data: bytes) -> None:
        """Read from the beginning of *data*."""
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._place

    def take(self, count: int) -> bytes:
        """Take *count* bytes."""
        if count > self.left:
            raise ValueError("a field is cut short")
        self._place += count
        return self._data[self._place - count : self._place]

    def byte(self) -> int:
        """Take one byte."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """Take a ``uint32``."""
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        """Take a ``uint64``."""
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        """Take a ``string``."""
        return self.take(self.uint32())
