"""What may stand on a relay and look at what passes."""

from typing import Protocol


class Tap(Protocol):
    """Reads a file transfer in passing."""

    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what goes to the device and what goes back to the client."""
        ...

    def from_device(self, data: bytes) -> bytes:
        """Return what goes to the client."""
        ...

    def end(self) -> None:
        """The channel is over."""
        ...


class Watch(Protocol):
    """Looks at what is typed and what is shown on a terminal."""

    def typed(self, data: bytes) -> None:
        """Keystrokes, before they pass."""
        ...

    def shown(self, data: bytes) -> None:
        """Output, before it passes."""
        ...

    def end(self) -> None:
        """The terminal closes."""
        ...
