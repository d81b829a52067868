"""What a viewer reads beside a replay: who did what on what, from when to when, her keys, and why it ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from admin_api.narration import Narrator
from ecluse import moments
from ecluse.client import Json
from ecluse.desk import Desk
from policy import i18n
from policy.domain.people import Language
from recorder.errors import RecorderError
from recorder.replay.reader import TraceReader, read_manifest
from recorder.trace import instants


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """One trace as its viewer is told of it. Instants are ISO 8601 texts; ``ended`` is None where no end is known."""

    person: str
    device: str
    purpose: str
    window: tuple[str, str]
    started: str
    ended: str | None
    reason: str | None
    zone: tzinfo

    @classmethod
    def of_api(cls, desk: Desk, found: Json) -> "Viewing":
        """Take a trace as the API shows it, its instants on the hospital's clock."""
        return cls(
            person=f"{found['person_name']} ({found['person_login']}, {found['supplier']})",
            device=f"{found['account_name']}@{found['device_name']}",
            purpose=found["purpose"],
            window=(found["window_start"], found["window_end"]),
            started=found["started"],
            ended=found["ended"],
            reason=found["end_reason"],
            zone=desk.zone,
        )

    @classmethod
    def of_files(cls, path: Path) -> "Viewing":
        """Take a trace from its exported files, its instants in UTC; raises RecorderError where it has no header."""
        with TraceReader(path) as reader:
            header = reader.header
        try:
            manifest = read_manifest(path if path.is_dir() else path.parent)
        except RecorderError:  # the records alone are enough to watch, and not to prove
            manifest = None
        return cls(
            person=f"{header.person['full_name']} ({header.person['login']}, {header.supplier['name']})",
            device=f"{header.account}@{header.device['name']}",
            purpose=header.intervention["purpose"],
            window=(header.window["start"], header.window["end"]),
            started=instants.text(header.started_at),
            ended=instants.text(manifest.closed_at) if manifest is not None else None,
            reason=manifest.end_reason if manifest is not None else None,
            zone=UTC,
        )

    def head(self, desk: Desk) -> Iterator[str]:
        """Yield the lines above the replay."""
        yield desk.say("replay.who", person=self.person, device=self.device, purpose=self.purpose)
        opened, closed = (moments.wall(each, self.zone) for each in self.window)
        yield desk.say("replay.window", window=moments.span(opened, closed), zone=str(self.zone))
        times = [moments.wall(each, self.zone, seconds=True) for each in (self.started, self.ended)]
        lasted = moments.lasted(self.started, self.ended)
        if lasted is None:
            yield desk.say("replay.since", start=times[0])
        else:
            yield desk.say("replay.times", span=moments.span(*times), lasted=lasted)

    def end(self, desk: Desk) -> str:
        """Return the line below it: why the session ended."""
        if self.reason is None:
            return desk.say("replay.endless")
        reason = Narrator(Language(desk.language)).ended(self.reason)
        return desk.say("replay.end", reason=reason)


def narrator(desk: Desk) -> Narrator:
    """Return who tells the events of files at hand, with instants in UTC: no hospital is asked for its clock."""
    return Narrator(Language(desk.language), "UTC", (i18n.load("gateway"),))
