"""Errors of the command line. Each is one clear sentence on the screen and exit code 1.

EcluseError
├── NotLoggedIn         no address of the API or no token is known here
├── Unreachable         the API cannot be reached, or its certificate is not the installation's
├── Refused             the API answered with a problem; carries the document
├── NameUnknown         no person, device, supplier… of that name
├── RecordingUnusable   an exported trace cannot be read as it lies
└── FileUnusable        a file of the caller cannot be read or written as asked
"""

from collections.abc import Mapping


class EcluseError(Exception):
    """Base of this package's errors. ``key`` and ``arguments`` say the sentence in the catalogues."""

    def __init__(self, key: str, **arguments: object) -> None:
        """Keep the sentence's *key* and *arguments*; it is put into words where the language is known."""
        super().__init__(key)
        self.key = key
        self.arguments = arguments


class NotLoggedIn(EcluseError):
    """No address of the API, or no token, is known on this machine."""


class Unreachable(EcluseError):
    """The API cannot be reached, or what answers does not hold the installation's certificate."""


class NameUnknown(EcluseError):
    """There is nothing of that name in the hospital."""


class RecordingUnusable(EcluseError):
    """An exported trace, or the key to verify it, cannot be read as it lies."""


class FileUnusable(EcluseError):
    """A file cannot be read or written as asked."""


class Refused(EcluseError):
    """The API refused; ``document`` is its problem (RFC 9457), ``status`` the HTTP status."""

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        """Keep the *status* and the problem *document*."""
        super().__init__("refused.status", status=status)
        self.status = status
        self.document = document
