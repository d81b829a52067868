"""Text from strangers, made harmless for a screen, a log or a file."""

from __future__ import annotations

_PLAIN_SPACES = {" ", "\u00a0", "\u202f"}
"""Spaces that French text needs; every other separator is shown as an escape."""


def neutralise(text: str, *, keep: str = "") -> str:
    r"""Text in which nothing acts on a terminal or reorders a line.

    Control characters (C0, DEL, C1), bidirectional and other format characters, line and paragraph
    separators, surrogates and unassigned code points become visible escapes such as ``\x1b``.
    Nothing is left out.

    Args:
        text: Any text.
        keep: Characters to leave as they are, such as ``\t``.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in _PLAIN_SPACES or each in keep else _escape(each)
        for each in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
