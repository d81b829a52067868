"""Signing in to the pages, and the two lost paths; each begins a visit."""

from typing import Final

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from admin_api.console.caller import Caller, begin_visit, end_visit, keep_language, text
from admin_api.console.guard import is_page
from admin_api.console.screen import page
from admin_api.console.words import say
from policy.domain.people import Language
from policy.errors import AuthenticationFailed, LockedOut
from policy.vault.secret import Secret

_SEE_OTHER: Final = 303
WAYS: Final = ("sign-in", "lost-phone", "lost-password")
"""What may be shown to begin a visit without an invitation; each is a page under ``/account/``."""


async def show(caller: Caller, way: str) -> Response:
    """Show the form of one *way* in."""
    return await page(caller, "account.html", way=way, fault=None, login="")


async def take(caller: Caller, way: str) -> Response:
    """Begin a visit; a refusal says what it says at every door, whatever was wrong."""
    async with caller.form() as form:
        return await _taken(caller, way, form)


async def _taken(caller: Caller, way: str, form: FormData) -> Response:
    login = text(form, "login", longest=64).strip()
    try:
        visit = await _begin(caller, way, login, form)
    except LockedOut as locked:
        minutes = max(1, round((locked.until - caller.context.clock.now()).total_seconds() / 60 + 0.5))
        fault = say("account.locked", caller.language, minutes=minutes)
        return await page(caller, "account.html", status=429, way=way, fault=fault, login=login)
    except AuthenticationFailed:
        fault = say(f"account.refused.{way}", caller.language)
        return await page(caller, "account.html", status=401, way=way, fault=fault, login=login)
    return begin_visit(RedirectResponse("/enrol", _SEE_OTHER), visit)


async def leave(caller: Caller) -> Response:
    """End the visit."""
    async with caller.form():
        if caller.visit is not None:
            try:
                await caller.context.services.visits.end(caller.visit)
            except AuthenticationFailed:
                pass  # it was none of ours
    return end_visit(await page(caller, "left.html"))


async def choose_language(caller: Caller, wanted: str) -> Response:
    """Speak *wanted* from now on, and go back to the page that asked."""
    back = caller.request.query_params.get("back", "/account")
    if not is_page(back) or back.startswith("/i/"):
        back = "/account"
    response = RedirectResponse(back, _SEE_OTHER)
    return keep_language(response, Language(wanted)) if wanted in set(Language) else response


async def _begin(caller: Caller, way: str, login: str, form: FormData) -> Secret:
    visits, hospital_id = caller.context.services.visits, caller.context.settings.hospital_id
    password = Secret(text(form, "password"))
    code = "".join(text(form, "code", longest=32).split())
    recovery = text(form, "recovery_code", longest=64)
    match way:
        case "lost-phone":
            return await visits.lost_phone(hospital_id, login, password, recovery, caller.source)
        case "lost-password":
            return await visits.lost_password(hospital_id, login, code, recovery, caller.source)
        case _:
            return await visits.sign_in(hospital_id, login, password, code, caller.source)
