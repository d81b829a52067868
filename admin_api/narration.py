"""A trace told in sentences, in the reader's language: what its transcript and a player's markers say."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from typing_extensions import override

from admin_api.wording import say, templates
from policy.domain.people import Language
from policy.errors import MissingMessage
from policy.i18n import Catalog, load, rule_label
from recorder.errors import TraceFormatError
from recorder.replay.timeline import Raw, Teller
from recorder.trace import instants
from recorder.trace.frames import Frame, FrameType, facts
from recorder.trace.header import TraceHeader

_LONGEST = 500
_MINUTES = "%Y-%m-%d %H:%M:%S"


class Narrator(Teller):
    """Tells the frames of one trace; what it has no sentence for, it tells in the format's own words."""

    def __init__(self, language: Language, timezone: str = "UTC", reasons: Sequence[Catalog] = ()) -> None:
        """Speak *language*; write instants in *timezone* (an IANA name); find a refusal's reason in *reasons*."""
        self._language = language
        self._zone = ZoneInfo(timezone)
        self._reasons = (*reasons, load("policy"))
        self._templates = templates("trace.", language)
        self._raw = Raw()

    @override
    def head(self, header: TraceHeader) -> Sequence[str]:
        """Who reached what, for what, by which window."""
        window = header.window
        return (
            self._say(
                "head.session",
                session=header.session_id,
                person=header.person["full_name"],
                login=header.person["login"],
                supplier=header.supplier["name"],
            ),
            self._say(
                "head.device", device=header.device["name"], account=header.account, source=header.source
            ),
            self._say("head.purpose", purpose=header.intervention["purpose"]),
            self._say("head.window", start=self._at(window["start"]), end=self._at(window["end"])),
            self._say("head.opened", at=self._wall(header.started_at)),
        )

    @override
    def event(self, frame: Frame) -> str:
        """What happened, in one sentence."""
        try:
            told = facts(frame)
            sentence = self._sentence(frame.type, told)
        except (TraceFormatError, KeyError, TypeError, ValueError):  # hostile, or of another version
            sentence = None
        return sentence if sentence is not None else self._raw.event(frame)

    def ended(self, reason: str) -> str:
        """Why a session ended, as *reason* of its trace says it."""
        return self._word("end", reason)

    # --- sentences ----------------------------------------------------------------------------------------

    def _sentence(self, kind: FrameType, told: Mapping[str, Any]) -> str | None:
        match kind:
            case FrameType.REQUEST:
                return self._request(told)
            case FrameType.REFUSED:
                return self._refused(told)
            case FrameType.FILE:
                return self._file(told)
            case FrameType.EXIT:
                return self._exit(told)
            case FrameType.END:
                return self._end(told)
            case FrameType.EOF:
                return self._known(f"eof.{told['from']}", told)
            case FrameType.DIGEST:
                return self._known(f"digest.{told.get('stream', 'input')}", told)
            case FrameType.GAP if told["kind"] == "limit":
                return self._known(f"gap.limit.{told['stream']}", told)
            case FrameType.OPEN | FrameType.GAP | FrameType.MARKER:
                return self._known(f"{kind.name.lower()}.{told['kind']}", told)
            case FrameType.RESIZE | FrameType.SIGNAL | FrameType.BREAK | FrameType.WARNING:
                return self._known(kind.name.lower(), told)
            case _:
                return None

    def _end(self, told: Mapping[str, Any]) -> str:
        """Why the session ended, and what each rule that ended it found."""
        said = self._say("end", reason=self._word("end", str(told["reason"])))
        found = []
        for failed in told.get("failed", ()):
            facts = {name: _fact(value) for name, value in failed.items() if name not in {"rule", "key"}}
            found.append(f"{rule_label(str(failed['rule']))} - {self._reason(str(failed['key']), **facts)}")
        return f"{said} ({' ; '.join(found)})" if found else said

    def _request(self, told: Mapping[str, Any]) -> str | None:
        asked = self._known(f"request.{told['request']}", told)
        pty = told.get("pty")
        if asked is None or not isinstance(pty, Mapping):
            return asked
        return self._say("request.terminal", asked=asked, **pty)

    def _refused(self, told: Mapping[str, Any]) -> str:
        key = str(told["reason"])
        what = " ".join(_details(told))
        if key == "device.refused":  # no rule: the device's own word
            return self._say("refused.device", what=what)
        reason = self._reason(key)
        return self._say("refused", rule=rule_label(str(told.get("rule", "C7"))), what=what, reason=reason)

    def _reason(self, key: str, **facts: object) -> str:
        known = next((catalog for catalog in self._reasons if catalog.knows(key)), None)
        try:
            if known is None:
                return key
            return known.translate(key, self._language, timezone=self._zone.key, **facts)
        except MissingMessage:  # a sentence that needs more than a trace holds
            return key

    def _file(self, told: Mapping[str, Any]) -> str:
        words = [f"{self._word('file', str(told['op']))} {told['path']}"]
        if told.get("target"):
            words.append(f"→ {told['target']}")
        details = [self._word("phase", str(told["phase"])) if told["phase"] != "done" else ""]
        if told.get("size") is not None:
            details.append(say("trace.bytes", self._language, count=told["size"]))
        if told.get("sha256"):
            details.append(f"SHA-256 {told['sha256']}")
        if told.get("result"):
            details.append(self._word("result", str(told["result"])))
        shown = ", ".join(detail for detail in details if detail)
        return " ".join(words) + (f" ({shown})" if shown else "")

    def _exit(self, told: Mapping[str, Any]) -> str | None:
        if "status" in told:
            return self._say("exit.status", **told)
        if "signal" in told:
            return self._say("exit.signal", **told)
        if "input" in told:
            return self._say("exit.port", **told)
        return self._say("exit.lost" if told.get("lost") else "exit.untold")

    # --- words --------------------------------------------------------------------------------------------

    def _known(self, key: str, told: Mapping[str, Any]) -> str | None:
        return self._say(key, **told) if f"trace.{key}" in self._templates else None

    def _word(self, prefix: str, value: str) -> str:
        return self._templates.get(f"trace.{prefix}.{value}", value)

    def _say(self, key: str, **arguments: object) -> str:
        shown = {name: _cut(value) for name, value in arguments.items()}
        return self._templates[f"trace.{key}"].format_map(shown)

    def _at(self, text: str) -> str:
        return self._wall(instants.parse(text))

    def _wall(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime(f"{_MINUTES} %Z")


def _details(told: Mapping[str, Any]) -> Iterator[str]:
    """What was asked for and refused: its name on the wire, then what it was about."""
    yield str(told.get("request", ""))
    for name in ("command", "subsystem", "host", "port", "path"):
        if told.get(name) is not None:
            yield _cut(told[name])


def _fact(value: object) -> object:
    """Return an instant for what is written as one, to be told on the hospital's clock; else the text."""
    try:
        return instants.parse(value)
    except TraceFormatError:
        return _cut(value)


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
