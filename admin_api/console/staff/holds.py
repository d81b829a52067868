"""Legal holds: what must not be destroyed, and for which case."""

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff import moments
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import AUDITORS, REPLAYERS, Screens
from admin_api.console.staff.view import go, page
from policy.domain.holds import Hold
from policy.errors import NotFound

screens = Screens()


@screens.get("/console/retention/holds", roles=AUDITORS)
async def show(caller: StaffCaller) -> Response:
    """List the holds, those that stand first."""
    found = await caller.context.services.holds.list(caller.actor, caller.hospital_id)
    at = caller.context.clock.now()
    return await page(
        caller,
        "staff/holds.html",
        holds=[(hold, _state(hold, keeps=hold.suspends(at))) for hold in found],
        known=await registry(caller),
        may_hold=not REPLAYERS.isdisjoint(caller.roles),
    )


@screens.get("/console/retention/holds/place", roles=REPLAYERS)
async def ask(caller: StaffCaller) -> Response:
    """Ask what is to be held."""
    wanted = {name: caller.kept.get(name) or caller.query(name, longest=64) for name in _CRITERIA}
    return await page(caller, "staff/hold_place.html", known=await registry(caller), wanted=wanted)


@screens.post("/console/retention/holds/place", roles=REPLAYERS)
async def place(caller: StaffCaller, form: FormData) -> Response:
    """Place it: what it covers cannot be destroyed from now on."""
    zone = caller.here.timezone
    await caller.context.services.holds.place(
        caller.actor,
        caller.hospital_id,
        case=text(form, "case"),
        reason=text(form, "reason"),
        session_id=_given(form, "session"),
        person_id=_given(form, "person"),
        device_id=_given(form, "device"),
        since=moments.day_start(text(form, "from"), zone),
        until=moments.day_end(text(form, "to"), zone),
    )
    caller.context.keeper.wake()
    return go("/console/retention/holds")


@screens.get("/console/retention/holds/{hold_id}/lift", roles=REPLAYERS)
async def ask_to_lift(caller: StaffCaller) -> Response:
    """Ask why a hold is to be lifted."""
    found = await caller.context.services.holds.list(caller.actor, caller.hospital_id)
    hold = next((one for one in found if one.id == caller.path("hold_id")), None)
    if hold is None:
        raise NotFound("hold", caller.path("hold_id"))
    return await page(caller, "staff/hold_lift.html", hold=hold, known=await registry(caller))


@screens.post("/console/retention/holds/{hold_id}/lift", roles=REPLAYERS, fresh=True)
async def lift(caller: StaffCaller, form: FormData) -> Response:
    """Lift it; what it covers is kept for a week more."""
    await caller.context.services.holds.lift(
        caller.actor,
        caller.hospital_id,
        caller.path("hold_id"),
        reason=text(form, "reason"),
        concerned=caller.context.keeper.concerns,
    )
    return go("/console/retention/holds")


_CRITERIA = ("session", "person", "device", "from", "to", "case", "reason")


def _state(hold: Hold, *, keeps: bool) -> str:
    if hold.lifted_at is None:
        return "stands"
    return "ending" if keeps else "lifted"


def _given(form: FormData, name: str) -> str | None:
    return text(form, name, longest=64).strip() or None
