"""What has left the device in a session: told to the journal in steps, so that nobody waits for the session's end."""

from collections.abc import Mapping
from typing import Final

STEP_BYTES: Final = 256 << 20
STEP_FILES: Final = 100


class Moved:
    """Counts what passes from the device to the person, whatever the channel."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bytes = 0
        self._files = 0

    def output(self, size: int) -> None:
        """Count *size* bytes on their way out."""
        self._bytes += size

    def file(self) -> None:
        """Count a file whose content went out."""
        self._files += 1

    def due(self, *, ending: bool = False) -> Mapping[str, object] | None:
        """Return what to tell now, and begin anew; None where it is too little yet."""
        enough = self._bytes >= STEP_BYTES or self._files >= STEP_FILES
        if not enough and not (ending and (self._bytes or self._files)):
            return None
        told = {"bytes_out": self._bytes, "files_out": self._files}
        self._bytes = self._files = 0
        return told
