"""The last report of a machine that may add to the journal and read nothing there: kept on its own disk.

That folder is the gateway's too, so it counts by its signature alone. Whoever removes it, or puts an older one there, makes
this machine look late, and the journal holds what was told.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from admin_api.selfaudit.report import LARGEST, Report
from ecluse.selfaudit.signers import known
from ecluse.settings import Settings
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.regular import regular

_NAME: Final = "self-audit.json"


def recall(settings: Settings) -> tuple[Report, bytes] | None:
    """Return the last report of this machine and its signed document; None where there is none that its key signed."""
    try:
        with regular(settings.run_directory / _NAME, os.O_NOFOLLOW) as file:
            document = file.read(LARGEST + 1)
        report, _ = Report.opened(document, known(settings).of(settings.node))
    except (OSError, SignatureInvalid, TraceFormatError):
        return None
    ours = (report.hospital_id, report.node) == (settings.hospital_id, settings.node)
    return (report, document) if ours else None


def remember(settings: Settings, document: bytes) -> None:
    """Keep *document* as this machine's last report. Raises OSError."""
    put(settings.run_directory / _NAME, document)


def put(path: Path, document: bytes, mode: int | None = None) -> None:
    """Put *document* at *path* in place of the one before, whole or not at all; *mode*, whatever the umask. Raises OSError."""
    # a name that nobody knows before: the gateway's user may write in that folder too
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(document)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
