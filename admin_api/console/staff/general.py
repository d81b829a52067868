"""The general cut: made, lifted, and rehearsed."""

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import AUDITORS, STOPPERS, Screens
from admin_api.console.staff.view import go, page
from policy.domain.exercises import due

screens = Screens()
screens.entry("menu.general", "/console/general-cut", icon="cut", order=25, roles=STOPPERS)


@screens.get("/console/general-cut", roles=STOPPERS)
async def show(caller: StaffCaller) -> Response:
    """Show whether everything is cut, and the exercises that there were."""
    found = await caller.context.services.exercises.list(caller.actor, caller.hospital_id)
    last = next((one for one in found if one.result is not None), None)
    closure = caller.here.closure
    known = await registry(caller)
    by = None if closure is None else known.people.get(closure.by)
    return await page(
        caller,
        "staff/general.html",
        closure=closure,
        by=closure.by if closure is not None and by is None else by.full_name if by is not None else "",
        exercises=found[:20],
        due=due(last, caller.context.clock.now()),
        may_reopen=not AUDITORS.isdisjoint(caller.roles),
    )


@screens.post("/console/general-cut", roles=STOPPERS, fresh=True)
async def cut(caller: StaffCaller, form: FormData) -> Response:
    """Cut everything; nobody gets in until it is lifted."""
    await caller.context.services.revocations.cut_everything(
        caller.actor, caller.hospital_id, text(form, "reason")
    )
    return go("/console/general-cut")


@screens.post("/console/general-cut/lift", roles=AUDITORS)
async def lift(caller: StaffCaller, form: FormData) -> Response:
    """Let people in again."""
    await caller.context.services.revocations.reopen(caller.actor, caller.hospital_id, text(form, "reason"))
    return go("/console/general-cut")


@screens.post("/console/general-cut/rehearse", roles=STOPPERS)
async def rehearse(caller: StaffCaller, form: FormData) -> Response:
    """Rehearse it: every gateway answers, nothing is cut."""
    await caller.context.services.exercises.run(caller.actor, caller.hospital_id, text(form, "reason"))
    return go("/console/general-cut")
