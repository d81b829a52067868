"""What a person asked of one channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.sshfix import PtyRequest

Kind = Literal["shell", "exec", "subsystem"]

ALLOWED_VARIABLES = frozenset({b"LANG", b"LANGUAGE", b"TERM", b"COLORTERM"})


def variable_allowed(name: bytes) -> bool:
    """Tell whether an environment variable is passed on: those of language and terminal, no other."""
    return name in ALLOWED_VARIABLES or name.startswith(b"LC_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRequest:
    """A shell, a command (bytes as the client sent them) or a subsystem, with its terminal if it has one."""

    kind: Kind
    argument: bytes
    pty: PtyRequest | None
    environment: Mapping[bytes, bytes]

    @property
    def line(self) -> str:
        """The whole command or subsystem's name as text; hostile, and as long as one packet."""
        return self.argument.decode("utf-8", "backslashreplace")

    @property
    def shown(self) -> str:
        """The command or the subsystem's name as text; hostile, and cut to 1024 characters."""
        return self.line[:1024]

    def facts(self) -> dict[str, object]:
        """Return the request as the trace keeps it."""
        facts: dict[str, object] = {"request": self.kind}
        if self.kind != "shell":
            facts["command" if self.kind == "exec" else "subsystem"] = self.argument.decode(
                "utf-8", "backslashreplace"
            )
        if self.pty is not None:
            columns, rows, *pixels = self.pty.size
            facts["pty"] = {
                "term": self.pty.term,
                "columns": columns,
                "rows": rows,
                "modes": {str(mode): value for mode, value in self.pty.modes.items()},
                **(dict(zip(("pixel_width", "pixel_height"), pixels, strict=True)) if any(pixels) else {}),
            }
        if self.environment:
            facts["environment"] = {
                name.decode("utf-8", "backslashreplace"): value.decode("utf-8", "backslashreplace")
                for name, value in self.environment.items()
            }
        return facts
