"""Alarms: what must be looked at, what to do about each, and what the hospital did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.alarms.words import AlarmWords, words
from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import PAGE, Choice, Registry, Wanted, registry, wanted
from admin_api.console.staff.screens import AUDITORS, Screens
from admin_api.console.staff.view import go, page
from admin_api.console.staff.words import say
from admin_api.selfaudit.words import FINDINGS
from policy.domain.alarms import Alarm, AlarmState, Answer, Severity
from policy.services.alarms import FURTHER, LONGEST_NOTE

screens = Screens()
screens.entry("menu.alarms", "/console/alarms", icon="alarm", order=15, roles=AUDITORS)
_STATES: Final[Mapping[str, frozenset[AlarmState]]] = {
    "open": frozenset({AlarmState.OPEN, AlarmState.ACKNOWLEDGED}),
    "closed": frozenset({AlarmState.CLOSED}),
    "all": frozenset(AlarmState),
}
_WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "general_cut": ("menu.general", "/console/general-cut"),
    "self_audit_findings": ("menu.self_audits", "/console/self-audits"),
    "self_audit_late": ("menu.self_audits", "/console/self-audits"),
    "report_forged": ("menu.self_audits", "/console/self-audits"),
    "erasure_asked": ("retention.tab.erasures", "/console/retention/erasures"),
    "retention_shortened": ("menu.retention", "/console/retention"),
    "purge_stopped": ("menu.retention", "/console/retention"),
    "hold_refused": ("retention.tab.holds", "/console/retention/holds"),
    "hold_lifted": ("retention.tab.holds", "/console/retention/holds"),
    "reader_locked_out": ("menu.readers", "/console/readers"),
    "readers_changed": ("menu.readers", "/console/readers"),
}
"""The screen on which to act, by the alarm's kind: its name's key, and its address."""
_UNTOLD: Final = frozenset({"event", "device", "person", "source", "detail", "found", FURTHER, *FINDINGS})
"""Facts that the page says in its own places."""
_MOST: Final = 500
_ORDER: Final = (AlarmState.OPEN, AlarmState.ACKNOWLEDGED, AlarmState.CLOSED)
_GRAVITY: Final = tuple(Severity)
"""What nobody looks into comes first, and of that the gravest; of equals, the one seen last."""
_BY_TIME: Final = frozenset({"closed", "all"})
"""Lists of what was: the one seen last comes first, however grave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An alarm in the reader's words, with whom and what it is about."""

    alarm: Alarm
    said: AlarmWords
    person: str | None
    device: str | None
    source: str | None


@screens.get("/console/alarms", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List the alarms: those that nobody closed, unless others are asked for."""
    asked = wanted(caller, "state", "severity")
    states = _STATES.get(asked.get("state") or "open", _STATES["open"])
    found = await caller.context.services.alarms.list(caller.actor, caller.hospital_id, states, _MOST)
    severity = asked.get("severity")
    kept = [one for one in found if severity in {None, one.severity.value}]
    if asked.get("state") not in _BY_TIME:
        kept.sort(key=lambda one: (_ORDER.index(one.state), _GRAVITY.index(one.severity)))
    part, older = _part(kept, asked)
    names = await registry(caller)
    return await page(
        caller,
        "staff/alarms.html",
        alarms=[_shown(one, caller, names) for one in part],
        asked=asked,
        states=_choices(caller, "alarms.list", list(_STATES)[1:]),
        severities=_choices(caller, "severity", [one.value for one in Severity]),
        older=older,
        newest=asked.link("/console/alarms") if asked.after is not None else None,
    )


@screens.get("/console/alarms/{alarm_id}", roles=AUDITORS)
async def one(caller: StaffCaller) -> Response:
    """Show one alarm: what happened, what to do now, and what was done."""
    alarm = await _asked(caller)
    calls = await caller.context.services.alarms.calls(caller.actor, caller.hospital_id, alarm.id)
    names = await registry(caller)
    return await page(
        caller,
        "staff/alarm.html",
        one=_shown(alarm, caller, names),
        alarm=alarm,
        facts_told=[(name, value) for name, value in alarm.facts.items() if name not in _UNTOLD],
        acknowledged=_answer(alarm.acknowledged, names),
        closed=_answer(alarm.closed, names),
        calls=calls,
        longest=LONGEST_NOTE,
        way=_WAYS.get(alarm.kind),
    )


@screens.post("/console/alarms/{alarm_id}/acknowledge", roles=AUDITORS)
async def acknowledge(caller: StaffCaller, form: FormData) -> Response:
    """Say that the caller looks into it."""
    alarm_id, note = caller.path("alarm_id"), text(form, "note", longest=LONGEST_NOTE)
    await caller.context.services.alarms.acknowledge(caller.actor, caller.hospital_id, alarm_id, note)
    return go(f"/console/alarms/{alarm_id}")


@screens.post("/console/alarms/{alarm_id}/close", roles=AUDITORS)
async def close(caller: StaffCaller, form: FormData) -> Response:
    """Close it, and say what it was."""
    alarm_id, note = caller.path("alarm_id"), text(form, "note", longest=LONGEST_NOTE)
    await caller.context.services.alarms.close(caller.actor, caller.hospital_id, alarm_id, note)
    return go(f"/console/alarms/{alarm_id}")


async def _asked(caller: StaffCaller) -> Alarm:
    return await caller.context.services.alarms.get(caller.actor, caller.hospital_id, caller.path("alarm_id"))


def _shown(alarm: Alarm, caller: StaffCaller, names: Registry) -> Shown:
    facts = alarm.facts
    known = names.people.get(alarm.person_id or "")
    return Shown(
        alarm=alarm,
        said=words(alarm.kind, facts, caller.language, caller.context.vocabulary),
        person=known.full_name if known is not None else _text(facts.get("person") or facts.get("login")),
        device=_text(facts.get("device")),
        source=_text(facts.get("source") or facts.get("node")),
    )


def _answer(answer: Answer | None, names: Registry) -> tuple[str | None, Answer] | None:
    return None if answer is None else (names.person(answer.by), answer)


def _part(found: list[Alarm], asked: Wanted) -> tuple[list[Alarm], str | None]:
    """Return the page asked for, and the address of the next; from the start where its first one is gone."""
    start = next((place + 1 for place, one in enumerate(found) if one.id == asked.after), 0)
    part = found[start : start + PAGE]
    more = start + PAGE < len(found)
    return part, asked.link("/console/alarms", part[-1].id) if more else None


def _choices(caller: StaffCaller, prefix: str, values: list[str]) -> list[Choice]:
    return [Choice(value=one, label=say(f"{prefix}.{one}", caller.language)) for one in values]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
