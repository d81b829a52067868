"""Evidence packages: what one will hold is shown before; a reason and a fresh code, and the file is handed over."""

from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response, StreamingResponse

from admin_api.console.caller import text
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry, wanted
from admin_api.console.staff.screens import REPLAYERS, Screens
from admin_api.console.staff.sessions import of_catalog
from admin_api.console.staff.view import page
from admin_api.dossier.making import make
from admin_api.dossier.pages import in_groups
from admin_api.dossier.scope import Asked, Scope, scope
from admin_api.v1.evidence import file_name
from policy.services import inputs

screens = Screens()
_SHOWN = 20


@screens.get("/console/sessions/{session_id}/evidence", roles=REPLAYERS)
async def ask(caller: StaffCaller) -> Response:
    """Show what a package of this session will hold, and ask why it is made."""
    found = await scope(caller.context, caller.principal, _of_session(caller))
    return await _shown(caller, found, f"/console/sessions/{caller.path('session_id')}")


@screens.post("/console/sessions/{session_id}/evidence", roles=REPLAYERS, fresh=True)
async def hand_over(caller: StaffCaller, form: FormData) -> Response:
    """Hand over the package of this session."""
    return await _made(caller, _of_session(caller), form)


@screens.get("/console/evidence", roles=REPLAYERS)
async def ask_of_person(caller: StaffCaller) -> Response:
    """Show what a package of a person's sessions over some days will hold; ask for the days where they are not told."""
    asked = wanted(caller, "person")
    if asked.get("person") is None or asked.since is None or asked.until is None:
        return await page(caller, "staff/evidence_person.html", asked=asked, known=await registry(caller))
    found = await scope(caller.context, caller.principal, _of_person(caller))
    return await _shown(caller, found, asked.link("/console/sessions"))


@screens.post("/console/evidence", roles=REPLAYERS, fresh=True)
async def hand_over_of_person(caller: StaffCaller, form: FormData) -> Response:
    """Hand over the package of a person's sessions over some days."""
    return await _made(caller, _of_person(caller), form)


def _of_session(caller: StaffCaller) -> Asked:
    return Asked(sessions=(caller.path("session_id"),))


def _of_person(caller: StaffCaller) -> Asked:
    asked = wanted(caller, "person")
    return Asked(person_id=asked.get("person"), since=asked.since, until=asked.until)


async def _shown(caller: StaffCaller, found: Scope, back: str) -> Response:
    request = caller.request.url
    return await page(
        caller,
        "staff/evidence.html",
        found=found,
        rows=[of_catalog(one) for one in found.sessions[:_SHOWN]],
        more=max(0, len(found.sessions) - _SHOWN),
        action=f"{request.path}?{request.query}" if request.query else request.path,
        back=back,
        keys=[
            (kind, in_groups(key))
            for kind, keys in (
                ("checkpoints", caller.context.proofs.keys),
                ("recordings", caller.context.trace_keys),
            )
            for key in keys
        ],
    )


async def _made(caller: StaffCaller, asked: Asked, form: FormData) -> Response:
    reason = inputs.line(text(form, "reason"), "reason", longest=500)
    found = await scope(caller.context, caller.principal, asked)
    pieces = await make(caller.context, caller.principal, found, reason)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(found)}"',
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(iterate_in_threadpool(pieces), media_type="application/zip", headers=headers)
