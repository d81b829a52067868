"""Self-audits: when each machine was last audited, what it found of itself, and what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import AUDITORS, Screens
from admin_api.console.staff.view import page
from admin_api.selfaudit import history
from admin_api.selfaudit.report import CheckResult, Outcome, PartResult, Report
from admin_api.selfaudit.words import worded
from admin_api.v1.selfaudits import MOST, named, standing

screens = Screens()
screens.entry("menu.self_audits", "/console/self-audits", icon="check", order=85, roles=AUDITORS)
_SHOWN: Final = 100
_WORST_FIRST: Final = tuple(reversed(Outcome))


@dataclass(frozen=True, slots=True)
class Said:
    """One check in the reader's language."""

    level: Outcome
    subject: str
    sentence: str
    remedy: str


@screens.get("/console/self-audits", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List the audits of all machines, the newest first, and say whether rule T4 is held."""
    context = caller.context
    found = await history.kept(context.journal, caller.hospital_id, context.auditors, most=MOST)
    last = history.newest(found)
    overdue, silent = await standing(context, caller.hospital_id, found)
    return await page(
        caller,
        "staff/self_audits.html",
        audits=found[:_SHOWN],
        more=max(0, len(found) - _SHOWN),
        last=None if last is None else last[1],
        overdue=overdue,
        silent=silent,
        levels=_counts,
    )


@screens.get("/console/self-audits/{audit_id}", roles=AUDITORS)
async def one(caller: StaffCaller) -> Response:
    """Show one audit part by part, what must be mended first."""
    kept, report = await named(caller.context, caller.hospital_id, caller.path("audit_id"))
    return await page(
        caller,
        "staff/self_audit.html",
        sha256=kept.sha256,
        report=report,
        parts=[(part, _said(part, caller)) for part in report.parts],
        bad=[(part.part, one) for part, one in _bad(report, caller)],
        counts=_counts(report),
    )


@screens.get("/console/self-audits/{audit_id}/report", roles=AUDITORS)
async def download(caller: StaffCaller) -> Response:
    """Hand over the signed report, as it is."""
    kept, report = await named(caller.context, caller.hospital_id, caller.path("audit_id"))
    name = f"self-audit-{report.node}-{report.made_at:%Y%m%d-%H%M}.json"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    return Response(kept.document, media_type="application/json", headers=headers)


def _counts(report: Report) -> Mapping[str, int]:
    return {level.value: len(report.checks(level)) for level in Outcome}


def _bad(report: Report, caller: StaffCaller) -> list[tuple[PartResult, Said]]:
    found = [
        (part, _in_words(one, caller))
        for part in report.parts
        for one in part.checks
        if one.level is not Outcome.GOOD
    ]
    return sorted(found, key=lambda pair: _WORST_FIRST.index(pair[1].level))


def _said(part: PartResult, caller: StaffCaller) -> list[Said]:
    return [_in_words(one, caller) for one in part.checks]


def _in_words(one: CheckResult, caller: StaffCaller) -> Said:
    def said(key: str, english: str) -> str:
        arguments: Mapping[str, Any] = one.arguments
        return worded(key, arguments, english, caller.language, caller.context.vocabulary)

    return Said(
        one.level,
        said(one.check, one.subject),
        said(one.finding, one.sentence),
        said(f"{one.finding}.remedy", one.remedy) if one.remedy else "",
    )
