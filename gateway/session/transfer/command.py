r"""Which remote commands move files and do nothing else.

Without the right to run commands, a command line passes only if every shell reads it as one simple
command, and that command is ``scp -t|-f``, ``rsync --server`` or an sftp server, with arguments known to
do no more than copy. The characters allowed are those that no shell treats specially anywhere; a name
with any other (a space, a quote, an accent…) travels by sftp, where it is data.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from policy.domain.windows import Channel

Kind = Literal["scp-up", "scp-down", "rsync-up", "rsync-down", "sftp", "exec"]

FILES = frozenset({Channel.SFTP_UP, Channel.SFTP_DOWN})

_MAX_LENGTH = 8192
# Some characters are special to one shell only, and only where a word begins: `=` and `%` and `@`. rsync's
# own log formats are the one use of `%`.
_WORD = rb"(?:[A-Za-z0-9_./:+,-][A-Za-z0-9_./:@+,=-]*|--log-format=(?:%i%I|%i|%o))"
_PLAIN = re.compile(_WORD + rb"(?: " + _WORD + rb")*")

_SFTP_SERVERS = frozenset(
    {
        "internal-sftp",
        "sftp-server",
        "/usr/lib/openssh/sftp-server",
        "/usr/lib/ssh/sftp-server",
        "/usr/lib/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/libexec/sftp-server",
        "/usr/libexec/ssh/sftp-server",
        "/usr/local/libexec/sftp-server",
    }
)

# What rsync's own client bundles for its server. Not `s` (the arguments then follow on the stream, where
# they could turn the direction round), nor `b` with its suffix and directory, nor `T` (another directory).
_RSYNC_BUNDLE = re.compile(r"-[ADEHIJKLNORSUWXcdghiklmnoprtuvxyz]*(?:e[0-9]*\.[A-Za-z0-9]*)?")
_RSYNC_UP = re.compile(
    r"--(?:delete(?:-before|-during|-after|-delay|-excluded)?|max-delete=\d+|force|ignore-errors"
    r"|delete-missing-args|ignore-missing-args|delay-updates|existing|ignore-existing|mkpath|size-only"
    r"|no-implied-dirs|preallocate|sparse|append|inplace|partial|fuzzy|chmod=[A-Za-z0-9=+,-]+)"
)
_RSYNC_BOTH = re.compile(
    r"--(?:append|inplace|partial|numeric-ids|no-r|no-implied-dirs|safe-links|munge-links|copy-unsafe-links"
    r"|copy-dirlinks|keep-dirlinks|specials|no-specials|devices|no-devices|ignore-missing-args|from0|stats"
    r"|size-only|ignore-times|list-only|new-compress|old-compress|one-file-system|open-noatime|whole-file"
    r"|no-whole-file|checksum-choice=[a-z0-9,]+|compress-choice=[a-z0-9,]+|compress-level=-?\d+"
    r"|zc=[a-z0-9,]+|zl=-?\d+|zt=\d+|bwlimit=[0-9.]+[A-Za-z]*|block-size=\d+|timeout=\d+|contimeout=\d+"
    r"|checksum-seed=-?\d+|modify-window=-?\d+|max-size=[0-9.]+[A-Za-z]*|min-size=[0-9.]+[A-Za-z]*"
    r"|max-alloc=[0-9.]+[A-Za-z]*|files-from=-|iconv=[A-Za-z0-9_.,-]+|log-format=(?:%i%I|%i|%o|X))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A command that may pass.

    ``argv`` is empty for a command read by the device's shell alone (kind ``exec``). ``directions`` are the
    directions that an sftp tap on this command must hold to.
    """

    kind: Kind
    argv: tuple[str, ...] = ()
    directions: frozenset[Channel] = frozenset()


_MOSH: Final = b"mosh-server"
"""What mosh starts to leave SSH for UDP, past the gateway: told at once, for its client would only wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A command that may not pass: the message ``key`` of the gateway's catalogue, and the rule's ``code``."""

    key: str
    code: str = "C7"


def classify(command: bytes, channels: frozenset[Channel]) -> Allowed | Refused:
    """Decide on the exec request *command* under the *channels* of a grant.

    The right to run commands covers every command (it can copy files in any direction by itself); those
    that are known to copy are still named, so that their contents can be hashed in passing.
    """
    if not command:
        return Refused(key="refused.exec-empty")  # passed on, it would open a shell
    if command.split(b" ", 1)[0].rsplit(b"/", 1)[-1] == _MOSH:
        return Refused(key="refused.mosh", code="T1")
    understood = _understand(command)
    if Channel.EXEC in channels:
        if isinstance(understood, Refused):
            return Allowed(kind="exec")
        return Allowed(kind=understood.kind, argv=understood.argv, directions=FILES)
    if not channels & FILES:
        return Refused(key="refused.exec")
    if isinstance(understood, Refused):
        return understood
    missing = understood.directions - channels
    if understood.kind == "sftp":
        return Allowed(kind="sftp", argv=understood.argv, directions=channels & FILES)
    if missing:
        return Refused(key="refused.sftp-up" if Channel.SFTP_UP in missing else "refused.sftp-down")
    return understood


def classify_subsystem(name: str, channels: frozenset[Channel]) -> Allowed | Refused:
    """Decide on the subsystem request *name* under the *channels* of a grant: sftp or nothing."""
    if name != "sftp":
        return Refused(key="refused.subsystem")
    if not channels & FILES:
        return Refused(key="refused.sftp")
    return Allowed(kind="sftp", directions=channels & FILES)


def _understand(command: bytes) -> Allowed | Refused:
    if len(command) > _MAX_LENGTH:
        return Refused(key="refused.exec")
    readers: dict[str, Callable[[tuple[str, ...]], Allowed | Refused]] = {"scp": _scp, "rsync": _rsync}
    if not _PLAIN.fullmatch(command):
        program = command.split(b" ", 1)[0].decode("ascii", "replace")
        return Refused(key="refused.exec-characters" if program in readers else "refused.exec")
    argv = tuple(command.decode("ascii").split(" "))
    if argv[0] in readers:
        return readers[argv[0]](argv)
    if len(argv) == 1 and argv[0] in _SFTP_SERVERS:
        return Allowed(kind="sftp", argv=argv, directions=FILES)
    return Refused(key="refused.exec")


def _scp(argv: tuple[str, ...]) -> Allowed | Refused:
    """``scp [-v] [-r] [-p] [-q] [-d] -t|-f [--] PATH``, as the clients' ``scp -O`` sends it."""
    refusal = Refused(key="refused.exec-scp")
    options: list[str] = []
    rest = list(argv[1:])
    while rest and rest[0].startswith("-") and rest[0] != "--":
        options.append(rest.pop(0))
    if rest[:1] == ["--"]:
        rest.pop(0)
    if len(rest) != 1 or any(option not in {"-v", "-r", "-p", "-q", "-d", "-t", "-f"} for option in options):
        return refusal
    match ("-t" in options, "-f" in options):
        case (True, False):
            return Allowed(kind="scp-up", argv=argv, directions=frozenset({Channel.SFTP_UP}))
        case (False, True):
            return Allowed(kind="scp-down", argv=argv, directions=frozenset({Channel.SFTP_DOWN}))
        case _:
            return refusal


def _rsync(argv: tuple[str, ...]) -> Allowed | Refused:
    """``rsync --server [--sender] -BUNDLE [--option…] . PATH…``, as rsync's client sends it."""
    refusal = Refused(key="refused.exec-rsync")
    if argv[1:2] != ("--server",):
        return refusal
    down = argv[2:3] == ("--sender",)
    rest = list(argv[3 if down else 2 :])
    directions = {Channel.SFTP_DOWN if down else Channel.SFTP_UP}
    while rest and rest[0] != ".":
        option = rest.pop(0)
        if option == "--remove-source-files":
            directions.add(Channel.SFTP_UP)  # a sender deletes on the device what it has sent
        elif not _rsync_option(option, down=down):
            return refusal
    paths = rest[1:]
    # rsync reads options after the paths too, so that a path that looks like one is one
    if not rest or not paths or any(path.startswith("-") for path in paths) or (len(paths) > 1 and not down):
        return refusal
    return Allowed(kind="rsync-down" if down else "rsync-up", argv=argv, directions=frozenset(directions))


def _rsync_option(option: str, *, down: bool) -> bool:
    if not option.startswith("--"):
        return option != "-" and _RSYNC_BUNDLE.fullmatch(option) is not None
    return _RSYNC_BOTH.fullmatch(option) is not None or (not down and _RSYNC_UP.fullmatch(option) is not None)
