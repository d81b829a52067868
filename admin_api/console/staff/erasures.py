"""Early erasures: what was asked for, by whom, and what the second person decides."""

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import AUDITORS, REPLAYERS, Screens
from admin_api.console.staff.sessions import of_catalog
from admin_api.console.staff.trace import cataloged
from admin_api.console.staff.view import go, page
from admin_api.v1.erasures import recorded_of

screens = Screens()


@screens.get("/console/retention/erasures", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List what was asked for, the last first."""
    found = await caller.context.services.erasures.list(caller.actor, caller.hospital_id)
    delays = caller.context.keeper.delays
    return await page(
        caller,
        "staff/erasures.html",
        erasures=[(one, delays.get(one.id)) for one in found],
        known=await registry(caller),
    )


@screens.get("/console/sessions/{session_id}/erase", roles=REPLAYERS)
async def ask(caller: StaffCaller) -> Response:
    """Ask why a recording is to be erased before its time."""
    found = await cataloged(caller, caller.path("session_id"))
    return await page(caller, "staff/erasure_ask.html", row=of_catalog(found))


@screens.post("/console/sessions/{session_id}/erase", roles=REPLAYERS, fresh=True)
async def take(caller: StaffCaller, form: FormData) -> Response:
    """Put the request before somebody else."""
    about = await recorded_of(caller.context, caller.principal, caller.path("session_id"))
    await caller.context.services.erasures.ask(
        caller.actor, caller.hospital_id, about, reason=text(form, "reason")
    )
    return go("/console/retention/erasures")


@screens.get("/console/retention/erasures/{erasure_id}", roles=AUDITORS)
async def one(caller: StaffCaller) -> Response:
    """Show one request, and the decision where it waits for one."""
    found = await caller.context.services.erasures.get(
        caller.actor, caller.hospital_id, caller.path("erasure_id")
    )
    about = await caller.context.catalog.session(caller.hospital_id, found.session_id)
    return await page(
        caller,
        "staff/erasure.html",
        erasure=found,
        row=of_catalog(about),
        delay=caller.context.keeper.delays.get(found.id),
        mine=found.asked_by == caller.actor,
        known=await registry(caller),
    )


@screens.post("/console/retention/erasures/{erasure_id}", roles=AUDITORS, fresh=True)
async def decide(caller: StaffCaller, form: FormData) -> Response:
    """Approve or refuse; approved, the recording can be read no more a moment later."""
    erasures, erasure_id = caller.context.services.erasures, caller.path("erasure_id")
    asked = await erasures.get(caller.actor, caller.hospital_id, erasure_id)
    about = await recorded_of(caller.context, caller.principal, asked.session_id)
    approve = text(form, "decision", longest=16) == "approve"
    await erasures.decide(
        caller.actor, caller.hospital_id, erasure_id, about, approve=approve, answer=text(form, "reason")
    )
    if approve:
        caller.context.keeper.wake()
    return go(f"/console/retention/erasures/{erasure_id}")
