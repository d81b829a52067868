"""The conduct of a self-audit: its parts one after another, and what they found put into a report."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin_api.selfaudit import history
from admin_api.selfaudit.report import CheckResult, Outcome, PartResult, Predecessor, Report, digest
from ecluse.diagnosis import examine, flows
from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Saying, Symptom, look
from ecluse.errors import SettingsError
from ecluse.presence import port_of
from ecluse.selfaudit import advisories, exposure, ledger, ssh, tls
from ecluse.selfaudit.memory import recall
from ecluse.selfaudit.places import reachable
from ecluse.selfaudit.signers import known
from ecluse.settings import Settings
from ecluse.wording import detailed
from policy import i18n
from policy.clock import Clock
from policy.domain.ids import new_id
from policy.domain.people import Language
from recorder.audit.journal import Journal
from recorder.errors import RecorderError

log = structlog.get_logger()

PARTS: Final = ("ssh", "tls", "exposure", "files", "ledger", "probes", "advisories", "clock", "machine")
"""In the order in which they are done, and stand in the report."""
_OF_CONSOLES: Final = frozenset({"tls", "ledger", "probes"})
"""What a machine without a console has not: nothing there speaks TLS, and its gateway may not read the journal."""
_OF_DOCTOR: Final[Mapping[str, frozenset[str]]] = {
    "files": frozenset({"permissions", "writable", "users", "apart", "audit_key", "reach"}),
    "ledger": frozenset({"verification"}),
    "clock": frozenset({"clock", "timekeeper", "start_despite_clock"}),
}
_ELSEWHERE: Final = frozenset({"self_audit", "self_audit_of", "probes", "probe"})
"""What doctor says of the last self-audit is no part of the next; the probes have a part of their own."""

Work = Callable[[], Awaitable[Iterable[Symptom]]]
Told = Callable[[str, int, int], None]
"""Told which part begins, how many are done, and of how many."""


async def audit(
    settings: Settings, clock: Clock, *, occasion: str, previous: Predecessor | None, tell: Told
) -> Report:
    """Audit this machine. A part that cannot be done says so and why; whatever happens in one, the others are done."""
    begun = clock.now()
    doctor = await _guarded("machine", examine(settings, clock))
    works: Mapping[str, Work] = {
        "ssh": lambda: ssh.port(settings),
        "tls": lambda: _tls(settings, clock.now()),
        "exposure": lambda: given(exposure.exposure(settings)),
        "files": lambda: given(_of_doctor(doctor, "files")),
        "ledger": lambda: _ledger(settings, clock, doctor),
        "probes": lambda: flows.probes(settings, clock),
        "advisories": lambda: advisories.advisories(settings.self_audit.advisories_url),
        "clock": lambda: given(_of_doctor(doctor, "clock")),
        "machine": lambda: given(_of_doctor(doctor, "machine")),
    }
    parts = await conducted({part: works[part] for part in parts_of(settings)}, tell)
    return Report(
        id=new_id(),
        hospital_id=settings.hospital_id,
        node=settings.node,
        machine=socket.gethostname(),
        occasion=occasion,
        made_at=begun,
        finished_at=clock.now(),
        ecluse=version("ecluse"),
        parts=parts,
        previous=previous,
    )


async def conducted(works: Mapping[str, Work], tell: Told) -> tuple[PartResult, ...]:
    """Do one part after another. Whatever happens in one, the others are done."""
    parts = []
    for done, (part, work) in enumerate(works.items()):
        tell(part, done, len(works))
        found = await _guarded(part, work())
        parts.append(PartResult(part=part, checks=tuple(map(_result, found))))
    tell(part, len(works), len(works))
    return tuple(parts)


async def last_of(settings: Settings, clock: Clock) -> tuple[Report, str] | None:
    """Return the last report of this machine and its digest; None where nothing tells of it, or can be read."""
    if settings.console.elsewhere:
        last = recall(settings)
        return None if last is None else (last[0], digest(last[1]))
    if traces_are_absent(settings):
        return None
    try:
        async with opened_traces(settings) as database:
            journal = Journal(database, node="reading", now=clock.now)
            found = await history.latest(journal, settings.hospital_id, known(settings), settings.node)
    except (RecorderError, SettingsError, SQLAlchemyError):
        return None  # the part that looks at the journal tells why
    return None if found is None else (found[1], found[0].sha256)


def parts_of(settings: Settings) -> Sequence[str]:
    """Return the parts that this machine has."""
    return [one for one in PARTS if not (settings.console.elsewhere and one in _OF_CONSOLES)]


async def _guarded(part: str, work: Awaitable[Iterable[Symptom]]) -> Sequence[Symptom]:
    try:
        return list(await work) or [look("part", part=part).undone("empty")]
    except Exception as error:  # one part that breaks must not keep the others from being told
        log.exception("self_audit.part_broken", part=part)
        return [look("part", part=part).undone("broken", why=f"{type(error).__name__}: {error}")]


async def given(found: Iterable[Symptom]) -> Iterable[Symptom]:
    """Return what was *found* already, as a part's work does."""
    return found


async def _ledger(settings: Settings, clock: Clock, doctor: Sequence[Symptom]) -> Iterable[Symptom]:
    return [*_of_doctor(doctor, "ledger"), *await ledger.ledger(settings, clock)]


async def _tls(settings: Settings, now: datetime) -> Iterable[Symptom]:
    running = port_of(settings.run_directory, "console")
    if running is None:
        return [look("tls_versions", place="–").undone("silent", why="no console runs on this machine")]
    name = urlsplit(settings.pages_url or "").hostname or settings.gateway_names[0]
    host = reachable(settings.console.host)
    return await asyncio.to_thread(tls.port, host, running, name, settings.authority, now)


def _of_doctor(found: Sequence[Symptom], part: str) -> Iterable[Symptom]:
    """Return what doctor found that belongs to the *part*; to ``machine`` belongs what belongs to no other."""
    others = frozenset().union(*_OF_DOCTOR.values(), _ELSEWHERE)
    for symptom in found:
        name = symptom.subject.key.removeprefix("doctor.")
        if name in _OF_DOCTOR[part] if part in _OF_DOCTOR else name not in others:
            yield symptom


def _result(symptom: Symptom) -> CheckResult:
    # what cannot be said in JSON is said as its text: instants, paths
    arguments = json.loads(json.dumps(dict(symptom.finding.arguments), default=str))
    return CheckResult(
        check=symptom.subject.key,
        finding=symptom.finding.key,
        level=Outcome(symptom.level.value),
        arguments=arguments,
        subject=_said(symptom.subject),
        sentence=_said(symptom.finding),
        remedy="" if symptom.remedy is None else _said(symptom.remedy),
    )


def _said(saying: Saying) -> str:
    arguments = detailed(saying.arguments, Language.ENGLISH)
    return i18n.load("ecluse").translate(saying.key, Language.ENGLISH, timezone="UTC", **arguments)
