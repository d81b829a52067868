"""Errors of the command line. Each is one clear sentence on the screen and exit code 1.

EcluseError
├── NotLoggedIn         no address of the API or no token is known here
├── Unreachable         the API cannot be reached, or its certificate is not the installation's
├── Refused             the API answered with a problem; carries the document
├── NameUnknown         no person, device, supplier… of that name
├── RecordingUnusable   an exported trace cannot be read as it lies
├── FileUnusable        a file of the caller cannot be read or written as asked
└── MachineError        this machine's own commands cannot go on
    ├── SettingsError       the settings cannot be used; one fault a wrong key
    ├── StoreError          a database cannot be moved, or its roles not be given their rights
    ├── InstallationError   the installation cannot be made; nothing was left behind
    ├── BackupError         an archive cannot be made, or is not what it should be; nothing was restored
    └── StartError          a server of this installation cannot start
"""

from collections.abc import Mapping, Sequence
from typing import Self

from typing_extensions import override

from policy import i18n
from policy.domain.people import Language
from policy.errors import MissingMessage


class EcluseError(Exception):
    """Base of this package's errors. ``key`` and ``arguments`` say the sentence in the catalogues."""

    def __init__(self, key: str, **arguments: object) -> None:
        """Keep the sentence's *key* and *arguments*; it is put into words where the language is known."""
        super().__init__(key)
        self.key = key
        self.arguments: Mapping[str, object] = arguments
        self.further: tuple[EcluseError, ...] = ()

    @property
    def faults(self) -> "tuple[EcluseError, ...]":
        """This error, and those found together with it: each has a sentence of its own."""
        return (self, *self.further)

    @classmethod
    def together(cls, faults: Sequence[Self]) -> Self:
        """Return the first of *faults*, which is raised for all of them; there is one at least."""
        first = faults[0]
        first.further = tuple(faults[1:])
        return first

    @override
    def __str__(self) -> str:
        """Return the English sentences, a line a fault, for logs."""
        return "\n".join(fault.said(Language.ENGLISH) for fault in self.faults)

    def said(self, language: Language | str) -> str:
        """Return this fault's own sentence in *language*; its key where the catalogues lack it."""
        arguments = self.arguments
        if language == Language.FRENCH:
            # late: only what went wrong needs the words of the packages below, and of the system
            from ecluse.wording import detailed

            arguments = detailed(arguments, language)
        try:
            return i18n.load("ecluse").translate(self.key, language, timezone="UTC", **arguments)
        except MissingMessage:
            return self.key


class NotLoggedIn(EcluseError):
    """No address of the API, or no token, is known on this machine."""


class Unreachable(EcluseError):
    """The API cannot be reached, or what answers does not hold the installation's certificate."""


class NameUnknown(EcluseError):
    """There is nothing of that name in the hospital; ``noun`` is the API's word for what was looked for."""

    @override
    def said(self, language: Language | str) -> str:
        """Return the sentence, what was looked for named in *language* and not by the API's word."""
        catalog = i18n.load("ecluse")
        noun = catalog.translate(f"noun.{self.arguments['noun']}", language)
        return catalog.translate(self.key, language, timezone="UTC", **{**self.arguments, "noun": noun})


class RecordingUnusable(EcluseError):
    """An exported trace, or the key to verify it, cannot be read as it lies."""


class FileUnusable(EcluseError):
    """A file cannot be read or written as asked."""


class MachineError(EcluseError):
    """A command that works on this machine's own files cannot go on."""


class SettingsError(MachineError):
    """The settings cannot be used; each fault names a key and what it accepts."""


class StoreError(MachineError):
    """A database of this installation cannot be used as asked; what was begun is undone."""


class InstallationError(MachineError):
    """The installation cannot be made; the sentence says what to change, and nothing was left behind."""


class BackupError(MachineError):
    """A backup cannot be made or restored; the sentence says why, and nothing was left half done."""


class StartError(MachineError):
    """A server of this installation cannot start; the sentence says why and the way out."""


class Refused(EcluseError):
    """The API refused; ``document`` is its problem (RFC 9457), ``status`` the HTTP status."""

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        """Keep the *status* and the problem *document*."""
        super().__init__("refused.status", status=status)
        self.status = status
        self.document = document
