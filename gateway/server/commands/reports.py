"""``report``: what is due, and the report of an intervention, written where she works (rule O5)."""

from collections.abc import Mapping
from typing import Final

from gateway.errors import CommandMisused
from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.moments import wall
from gateway.server.commands.result import CommandResult, as_json, as_lines, columns
from gateway.server.commands.voice import Voice
from policy.domain.people import Person
from policy.domain.reports import Goal, Reporting
from policy.errors import Conflict, InvalidInput, RequestRefused
from policy.i18n import neutralise
from policy.services.reports import ReportService

REPORT: Final = Shape(name="report", more=("device",), may=("--goal", "--what"), text="--what")


class ReportCommand:
    """``report``: alone it lists; with a device it files, from ``--what`` or from standard input."""

    shape = REPORT

    def __init__(self, reports: ReportService, voice: Voice) -> None:
        """Answer from *reports*."""
        self._reports = reports
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """List or file. Raises CommandMisused, PolicyUnavailable."""
        if "device" not in typed.places:
            return await self._list(caller.person, as_script=typed.as_json)
        return await self._file(caller, typed)

    async def _file(self, caller: Caller, typed: Typed) -> CommandResult:
        person, voice = caller.person, self._voice
        choices = tuple(goal.value for goal in Goal)
        if (goal := typed.options.get("--goal")) not in choices:
            raise CommandMisused("command.choice", REPORT.name, option="--goal", choices=choices)
        what = typed.options.get("--what") or caller.typed.decode("utf-8", "replace")
        try:
            filed = await self._reports.file(
                person.id,
                voice.hospital.id,
                goal=Goal(goal),
                what=what,
                device_name=typed.places["device"],
            )
        except RequestRefused as refused:
            return voice.refusal(person, [refused.finding], json=typed.as_json)
        except InvalidInput:
            raise CommandMisused("command.report-text", REPORT.name) from None
        except Conflict:
            raise CommandMisused("command.report-read", REPORT.name) from None
        sessions = filed.facts.get("sessions")
        count = len(sessions) if isinstance(sessions, list) else 0
        if typed.as_json:
            return as_json(
                {"id": filed.id, "state": filed.state.value, "goal": filed.goal.value, **filed.facts}
            )
        return as_lines(
            [
                voice.say(person, "report.done", id=filed.id[:8], device=typed.places["device"]),
                voice.say(person, "report.goal", goal=voice.say(person, f"goal.{filed.goal.value}")),
                voice.say(person, "report.sessions", count=count),
                voice.say(person, "report.next"),
                voice.contact(person),
            ]
        )

    async def _list(self, person: Person, *, as_script: bool) -> CommandResult:
        voice, zone = self._voice, self._voice.hospital.timezone
        own = await self._reports.own(person.id, voice.hospital.id)
        if as_script:
            return as_json([_fields(one) for one in own])
        if not own:
            return as_lines([voice.say(person, "report.none")])
        keys = ("report.state", "windows.devices", "report.last", "report.due-by", "list.purpose")
        rows = [tuple(voice.say(person, key) for key in keys)]
        rows += [
            (
                voice.say(person, f"report.{one.state.value}"),
                ", ".join(one.devices),
                wall(one.last_at, zone),
                wall(one.due_at, zone),
                neutralise(one.purpose),
            )
            for one in own
        ]
        return as_lines(columns(rows))


def _fields(one: Reporting) -> Mapping[str, object]:
    return {
        "state": one.state.value,
        "intervention": one.intervention_id,
        "devices": list(one.devices),
        "sessions": one.sessions,
        "last": one.last_at.isoformat(),
        "due": one.due_at.isoformat(),
        "purpose": one.purpose,
        "goal": None if one.report is None else one.report.goal.value,
    }
