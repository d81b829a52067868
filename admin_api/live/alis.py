"""The live stream that the player in a browser reads: ALiS, version 1, as asciinema-player 3.17 takes it."""

from typing import Final

from admin_api.live.follow import Happened, Screen

PROTOCOL: Final = "v1.alis"
MAGIC: Final = b"ALiS\x01"
END: Final = b"\x04"
_RESET: Final = b"\x01"
_NO_THEME: Final = b"\x00"


class Stream:
    """Puts what is shown into messages. Times are microseconds between one message and the next, as they are sent."""

    def __init__(self) -> None:
        """Begin before the first message."""
        self._number = 0
        self._at_us = 0

    def screen(self, shown: Screen, at_us: int) -> bytes:
        """Return the message that begins anew with a whole screen, sent at *at_us*."""
        self._at_us = max(self._at_us, at_us)
        picture = shown.picture
        head = _RESET + varint(self._number) + varint(self._at_us)
        size = varint(picture.columns) + varint(picture.rows)
        return head + size + _NO_THEME + _text(picture.output)

    def happened(self, shown: Happened, at_us: int) -> bytes:
        """Return the message of one event, sent at *at_us*."""
        self._number += 1
        since = max(0, at_us - self._at_us)
        self._at_us += since
        head = shown.code.encode() + varint(self._number) + varint(since)
        if shown.code == "r":
            columns, _, rows = shown.data.partition("x")
            return head + varint(int(columns)) + varint(int(rows))
        return head + _text(shown.data)


def varint(number: int) -> bytes:
    """Return *number* as unsigned LEB128."""
    parts = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        parts.append(low | (0x80 if number else 0))
        if not number:
            return bytes(parts)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return varint(len(data)) + data
