"""Retention: how long recordings are kept, what goes and when, and what stays and why."""

from datetime import timedelta
from typing import Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import AUDITORS, Screens
from admin_api.console.staff.view import go, page
from policy.domain.keeping import HALF_YEAR, LONGEST, SHORTEST, YEAR, RetentionRule
from policy.errors import InvalidInput, NotFound

screens = Screens()
screens.entry("menu.retention", "/console/retention", icon="archive", order=70, roles=AUDITORS)
_AHEAD: Final = timedelta(days=30)
_NUMBER: Final = 6


@screens.get("/console/retention", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """Show the rule, what waits for a decision, and what is due within a month."""
    services, at = caller.context.services, caller.context.clock.now()
    history = await services.retention.history(caller.actor, caller.hospital_id)
    plan = await caller.context.keeper.plan(_AHEAD)
    return await page(
        caller,
        "staff/retention.html",
        plan=plan,
        store_days=caller.context.settings.store_days,
        days=_AHEAD.days,
        now=at,
        waiting=[rule for rule in history if rule.state(at) in {"asked", "coming"}],
        history=[(rule, rule.state(at)) for rule in history],
        known=await registry(caller),
    )


@screens.get("/console/retention/set", roles=AUDITORS)
async def ask(caller: StaffCaller) -> Response:
    """Ask how long recordings are to be kept."""
    rule = await caller.context.services.retention.rule(caller.hospital_id)
    bounds = {"least": SHORTEST, "most": LONGEST, "half": HALF_YEAR, "year": YEAR}
    return await page(caller, "staff/retention_set.html", rule=rule, bounds=bounds)


@screens.post("/console/retention/set", roles=AUDITORS, fresh=True)
async def take(caller: StaffCaller, form: FormData) -> Response:
    """Set it, or have it wait for another person's approval where it is shorter than now."""
    await caller.context.services.retention.ask(
        caller.actor,
        caller.hospital_id,
        recordings_days=_days(text(form, "days", longest=_NUMBER)),
        reason=text(form, "reason"),
        decider=text(form, "decider"),
    )
    return go("/console/retention")


@screens.get("/console/retention/rules/{rule_id}", roles=AUDITORS)
async def one(caller: StaffCaller) -> Response:
    """Show a shorter rule that waits, and what would be due by it."""
    rule = await _rule(caller)
    at = caller.context.clock.now()
    before = at - timedelta(days=rule.recordings_days)
    count, size = await caller.context.keeper.shelf.totals(before)
    return await page(
        caller,
        "staff/retention_rule.html",
        rule=rule,
        stands=rule.state(at),
        count=count,
        bytes=size,
        known=await registry(caller),
        mine=rule.asked_by == caller.actor,
    )


@screens.post("/console/retention/rules/{rule_id}", roles=AUDITORS, fresh=True)
async def decide(caller: StaffCaller, form: FormData) -> Response:
    """Approve it, or refuse it with a reason."""
    service, rule_id = caller.context.services.retention, caller.path("rule_id")
    if text(form, "decision", longest=16) == "approve":
        await service.approve(caller.actor, caller.hospital_id, rule_id)
    else:
        await service.refuse(caller.actor, caller.hospital_id, rule_id, reason=text(form, "reason"))
    return go("/console/retention")


async def _rule(caller: StaffCaller) -> RetentionRule:
    history = await caller.context.services.retention.history(caller.actor, caller.hospital_id)
    found = next((rule for rule in history if rule.id == caller.path("rule_id")), None)
    if found is None:
        raise NotFound("retention rule", caller.path("rule_id"))
    return found


def _days(typed: str) -> int:
    if not typed.strip().isdecimal():
        raise InvalidInput("recordings_days", "write a whole number of days")
    return int(typed)
