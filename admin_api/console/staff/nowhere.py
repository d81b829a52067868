"""What is asked for and is not there."""

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import ANYONE, Screens
from admin_api.console.staff.view import page

screens = Screens()


@screens.get("/console/{rest:path}", roles=ANYONE)
async def show(caller: StaffCaller) -> Response:
    """Say that nothing is here."""
    return await page(caller, "staff/nowhere.html", status=404)


@screens.post("/console/{rest:path}", roles=ANYONE)
async def take(caller: StaffCaller, _form: FormData) -> Response:
    """Say that nothing is here."""
    return await page(caller, "staff/nowhere.html", status=404)
