"""Signing in and out, and the language."""

from typing import Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import CONSOLE, begin_visit, end_visit, keep_language, text
from admin_api.console.guard import is_page
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import ANYONE, READERS, Screens
from admin_api.console.staff.view import go, page
from admin_api.console.staff.words import say
from policy.domain.people import Language
from policy.errors import AuthenticationFailed, Forbidden, LockedOut
from policy.vault.secret import Secret

screens = Screens()
_HOME: Final = "/console"


@screens.get("/console/sign-in", roles=ANYONE)
async def show(caller: StaffCaller) -> Response:
    """Show the form; who has signed in already goes on."""
    onward = _onward(caller.query("next", longest=1000))
    if caller.visitor is not None:
        return go(onward)
    return await page(caller, "staff/sign_in.html", onward=onward, login="")


@screens.post("/console/sign-in", roles=ANYONE)
async def take(caller: StaffCaller, form: FormData) -> Response:
    """Begin a session; a refusal says what it says at every door, whatever was wrong."""
    login = text(form, "login", longest=64).strip()
    onward = _onward(text(form, "next"))
    try:
        secret = await caller.context.services.console_sessions.sign_in(
            caller.hospital_id,
            login,
            Secret(text(form, "password")),
            "".join(text(form, "code", longest=32).split()),
            caller.source,
            instead_of=caller.visit,
        )
    except LockedOut as locked:
        minutes = max(1, round((locked.until - caller.context.clock.now()).total_seconds() / 60 + 0.5))
        caller.fault = say("door.locked", caller.language, minutes=minutes)
        return await page(caller, "staff/sign_in.html", status=429, onward=onward, login=login)
    except AuthenticationFailed:
        caller.fault = say("door.refused", caller.language)
        return await page(caller, "staff/sign_in.html", status=401, onward=onward, login=login)
    except Forbidden:
        caller.fault = say("door.not_staff", caller.language)
        return await page(caller, "staff/sign_in.html", status=403, onward=onward, login="")
    return begin_visit(go(onward), secret, CONSOLE)


@screens.post("/console/sign-out", roles=READERS)
async def leave(caller: StaffCaller, _form: FormData) -> Response:
    """End the session."""
    if caller.visit is not None:
        await caller.context.services.console_sessions.sign_out(caller.visit)
    caller.visitor = None
    return end_visit(await page(caller, "staff/left.html"), CONSOLE)


@screens.get("/console/language/{wanted}", roles=ANYONE)
async def choose_language(caller: StaffCaller) -> Response:
    """Speak another language from now on, and go back to the screen that asked."""
    response = go(_onward(caller.query("back", longest=1000)))
    wanted = caller.path("wanted")
    return keep_language(response, Language(wanted)) if wanted in set(Language) else response


def _onward(path: str) -> str:
    """Return where to go on to: a screen of the console, and nowhere else."""
    bare = path.partition("?")[0]
    ours = is_page(bare) and bare.startswith(_HOME) and ".." not in bare and bare.isprintable()
    return path if ours and path.isascii() and "\\" not in path else _HOME
