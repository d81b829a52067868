"""One message of RFC 5424 for one entry of the journal."""

import hashlib
import re
from datetime import UTC
from importlib.metadata import version
from typing import Final

from admin_api.syslog.payload import Names, as_cef, as_json, fitting
from admin_api.syslog.settings import SyslogPayload, SyslogSettings
from recorder.audit.entries import JournalEntry
from recorder.audit.feed import Fed

SD_ID: Final = "ecluse@32473"
_APP: Final = "ecluse"
_OUT_OF_PRINT: Final = re.compile(r"[^\x21-\x7e]")
_LONGEST_HOST, _LONGEST_MSGID = 255, 32
_CRITICAL, _ERROR, _WARNING, _NOTICE, _INFORMATIONAL = 2, 3, 4, 5, 6
_CEF: Final = {_CRITICAL: 10, _ERROR: 8, _WARNING: 6, _NOTICE: 4, _INFORMATIONAL: 2}
_SEVERITIES: Final = (
    (
        re.compile(
            r"alarm\.(opened|acknowledged|closed|test|policy_readable|clock_right|export_caught_up|spool_eased)"
        ),
        _NOTICE,
    ),
    (re.compile(r"alarm\..*"), _CRITICAL),
    (re.compile(r"device\.host_key_changed"), _CRITICAL),
    (
        re.compile(r"(access\.denied|authentication\.(failed|locked)|.*\.(failed|refused|abandoned))"),
        _WARNING,
    ),
    (
        re.compile(r"(trace\.read|session\.(opened|closed|cut)|.*\.(created|updated|approved|suspended))"),
        _NOTICE,
    ),
)


class MessageMaker:
    """Makes messages by the hospital's settings."""

    def __init__(self, settings: SyslogSettings) -> None:
        """Make them by *settings*."""
        self._settings = settings
        self._version = version("ecluse")

    def of(self, fed: Fed, hospital_id: str, at: str, names: Names) -> bytes:
        """Return the message for what the feed gave: never longer than ``longest`` bytes, and without a line break.

        *at* is the instant (RFC 3339) of what has no entry left to say when it was.
        """
        if fed.entry is None:
            return self._of_nothing(fed, hospital_id, at)
        entry = fed.entry
        severity = _severity(entry.event.name) if fed.fault is None else _CRITICAL
        header = self._header(
            severity,
            entry.event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            fed.writer,
            entry.event.name,
            {
                "event_id": entry.event.event_id,
                "hospital": hospital_id,
                "writer": fed.writer,
                "seq": str(fed.seq),
                "digest": entry.digest,
                **({} if fed.fault is None else {"fault": fed.fault}),
            },
        )

        def render(longest: int | None) -> bytes:
            return self._payload(entry, names, longest, severity)

        return header + fitting(render, self._settings.longest - len(header))

    def _payload(self, entry: JournalEntry, names: Names, longest: int | None, severity: int) -> bytes:
        if self._settings.payload is SyslogPayload.CEF:
            return as_cef(entry, names, longest, self._version, _CEF[severity])
        return as_json(entry, names, longest)

    def _of_nothing(self, fed: Fed, hospital_id: str, at: str) -> bytes:
        """Say that an entry cannot be read, or that entries are gone: a collector should keep that above all."""
        place = f"{hospital_id}/{fed.writer}#{fed.seq}/{fed.fault}"
        values = {
            "event_id": hashlib.sha256(place.encode()).hexdigest()[:32],
            "hospital": hospital_id,
            "writer": fed.writer,
            "seq": str(fed.seq),
            "fault": str(fed.fault),
        }
        header = self._header(_CRITICAL, at, fed.writer, "journal.altered", values)
        return header + f'{{"name":"journal.altered","fault":"{fed.fault}","seq":{fed.seq}}}'.encode()

    def _header(self, severity: int, at: str, writer: str, name: str, values: dict[str, str]) -> bytes:
        host = _printed(writer.partition("/")[0], _LONGEST_HOST)
        elements = "".join(f' {key}="{_parameter(value)}"' for key, value in values.items())
        priority = self._settings.facility * 8 + severity
        msgid = _printed(name, _LONGEST_MSGID)
        return f"<{priority}>1 {at} {host} {_APP} - {msgid} [{SD_ID}{elements}] ".encode()


def _severity(name: str) -> int:
    return next((severity for pattern, severity in _SEVERITIES if pattern.fullmatch(name)), _INFORMATIONAL)


def _printed(text: str, longest: int) -> str:
    """Return *text* as a header field: printable ASCII without blanks, ``-`` where nothing is left."""
    return _OUT_OF_PRINT.sub("", text)[:longest] or "-"


def _parameter(text: str) -> str:
    """Return *text* as the value of a parameter (RFC 5424 §6.3.3), in printable ASCII."""
    shown = "".join(one if " " <= one <= "~" else "?" for one in text[:256])
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
