"""The last report of a machine that may add to the journal and read nothing there: kept on its own disk.

That folder is the gateway's too, so it counts by its signature alone. Whoever removes it, or puts an older one there, makes
this machine look late, and the journal holds what was told.
"""

import os
import secrets
import stat
from typing import Final

from admin_api.selfaudit.report import LARGEST, Report
from ecluse.selfaudit.signers import known
from ecluse.settings import Settings
from recorder.errors import SignatureInvalid, TraceFormatError

_NAME: Final = "self-audit.json"


def recall(settings: Settings) -> tuple[Report, bytes] | None:
    """Return the last report of this machine and its signed document; None where there is none that its key signed."""
    try:
        place = os.open(
            settings.run_directory / _NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
        with os.fdopen(place, "rb") as file:
            document = file.read(LARGEST + 1) if stat.S_ISREG(os.fstat(place).st_mode) else b""
        report, _ = Report.opened(document, known(settings).of(settings.node))
    except (OSError, SignatureInvalid, TraceFormatError):
        return None
    ours = (report.hospital_id, report.node) == (settings.hospital_id, settings.node)
    return (report, document) if ours else None


def remember(settings: Settings, document: bytes) -> None:
    """Keep *document*, whole or not at all. Raises OSError."""
    place = settings.run_directory / _NAME
    # a name that nobody knows before: the gateway's user writes in this folder too
    draft = place.with_suffix(f".{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(document)
        draft.replace(place)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
