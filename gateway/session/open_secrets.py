"""Commands that take a secret where a trace keeps it: on their line, or from an input that is no terminal.

What is typed on a terminal is kept as lengths. A command line is kept whole, and so is input without a terminal: it is
data. Nothing here hides either: that would be guessing, and a trace that leaves out what it guesses proves little. Who
reads the trace is told that a secret may stand in it, and where, so that she takes care and has it changed.
"""

import re
from typing import Final, Literal

Where = Literal["command", "input"]

_MAX_LENGTH: Final = 2048
"""Bytes of a command line that are looked at: no line, however made, holds up the loop that looks."""
_SHELL: Final = rb"(?:^|[\s;&|(`'\"/])"
# an option's argument never begins with a dash here, so that each word is read in one way only
_SUDO: Final = rb"sudo\s+(?:-[A-Za-z]*[CDRTghprtu]\s+[^-\s]\S*\s+|-\S+\s+)*(?:-[A-Za-z]*S\b|--stdin\b)"
_INPUT: Final = re.compile(
    _SHELL
    + rb"(?:"
    + _SUDO
    + rb"|chpasswd\b|passwd\s[^;&|]{0,80}--stdin"
    + rb"|cryptsetup\s[^;&|]{0,200}--key-file[= ]-|(?:docker|podman)\s[^;&|]{0,200}--password-stdin"
    + rb"|openssl\s[^;&|]{0,200}-pass(?:in|out)?\s+stdin|gpg2?\s[^;&|]{0,200}--passphrase-fd[= ]0"
    + rb"|smbpasswd\s[^;&|]{0,80}-s\b)"
)
_LINE: Final = re.compile(
    rb"(?i:sshpass\s+-p"
    rb"|(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mariadb-admin)\s(?:[^;&|]{0,200}\s)?-p[^\s'\"]"
    rb"|\s--(?:password|passwd|passphrase|secret|token|api-key)[= ](?!-)['\"]?[^\s'\"]"
    rb"|curl\s(?:[^;&|]{0,200}\s)?(?:-u|--user)[ =]?['\"]?[^\s:'\"]{1,80}:[^\s'\"]"
    rb"|\s-pass(?:in|out)?\s+pass:"
    rb"|\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]{1,80}:[^\s/@'\"]{1,80}@"
    rb"|(?:echo|printf)\s[^|;&]{0,200}\|\s*(?:[^\s|]{0,80}/)?(?:"
    + _SUDO
    + rb"|chpasswd\b|passwd\b))"
    + rb"|\b[A-Z_]{0,40}(?:PASSWORD|PASSWD|SECRET|TOKEN|MYSQL_PWD|SSHPASS)=['\"]?[^\s'\"$]"
)


def places(command: bytes, *, terminal: bool) -> tuple[Where, ...]:
    """Return where *command* shows that a secret may be kept: on its line, in its input unless that is a *terminal*."""
    looked = command[:_MAX_LENGTH]
    found: list[Where] = []
    if _LINE.search(looked):
        found.append("command")
    if not terminal and _INPUT.search(looked):
        found.append("input")
    return tuple(found)
