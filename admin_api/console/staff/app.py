"""The console's screens put together: each request is judged before its handler is called."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from typing import Final
from urllib.parse import quote

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from admin_api.console.caller import Caller, text
from admin_api.console.errors import FormRefused, ReasonWanted
from admin_api.console.screen import unavailable
from admin_api.console.staff import (
    alarms,
    assets,
    door,
    dossiers,
    erasures,
    general,
    holds,
    home,
    journal,
    live,
    nowhere,
    presence,
    readers,
    reading,
    replay,
    retention,
    search,
    selfaudits,
    session,
    sessions,
)
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.screens import PREFIX, Screen
from admin_api.console.staff.view import SEE_OTHER, harmless, page, set_menu
from admin_api.console.staff.words import say
from admin_api.deps import Context
from admin_api.errors import TraceUnreadable
from admin_api.problems import refusal_of
from admin_api.sayings import said
from admin_api.wording import say as told
from embedded.patience import refuses
from policy.authn.passwords import Busy
from policy.errors import (
    AuthenticationFailed,
    Conflict,
    Forbidden,
    InvalidInput,
    LockedOut,
    NotFound,
    PolicyUnavailable,
    VaultError,
)
from recorder.errors import (
    ReaderKeyLocked,
    RecorderError,
    SignatureInvalid,
    TraceFormatError,
    TraceNotFound,
    TraceSealed,
)

# `nowhere` comes last: it answers for whatever no other screen does
SCREENS: Final = (
    home.screens,
    door.screens,
    sessions.screens,
    presence.screens,
    session.screens,
    reading.screens,
    replay.screens,
    dossiers.screens,
    live.screens,
    general.screens,
    search.screens,
    journal.screens,
    alarms.screens,
    retention.screens,
    holds.screens,
    erasures.screens,
    readers.screens,
    selfaudits.screens,
    nowhere.screens,
)
Answer = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger()


def all_screens() -> list[Screen]:
    """Return every screen, in the order in which their paths are tried."""
    return list(chain.from_iterable(one.found for one in SCREENS))


def routes(context: Context) -> list[Route]:
    """Return the console's routes, and those of its files."""
    set_menu(list(chain.from_iterable(one.entries for one in SCREENS)))
    screens = all_screens()
    shown = {screen.path: screen for screen in screens if screen.method == "GET"}
    return [*assets.routes(), Route(f"{PREFIX}/", _without_slash)] + [
        Route(screen.path, _served(screen, shown, context), methods=[screen.method]) for screen in screens
    ]


async def _without_slash(_request: Request) -> Response:
    """Lead whoever typed a slash too many to the console."""
    return RedirectResponse(PREFIX, SEE_OTHER)


def _served(screen: Screen, shown: Mapping[str, Screen], context: Context) -> Answer:
    """Answer for *screen*; of *shown*, by path, one may show its form once more, where a code is missing or wrong."""
    again = shown.get(screen.path)

    async def served(request: Request) -> Response:
        try:
            caller = await StaffCaller.arrive(request, context, by_itself=screen.by_itself)
        except PolicyUnavailable as busy:
            # nobody can tell who it is, so she sees the page that needs no hospital
            log.warning("console.unavailable", error=str(busy), path=screen.path)
            return await unavailable(Caller.of(request, context))
        try:
            return await _judged(screen, again, caller)
        except FormRefused:
            return await page(
                caller, "staff/form_refused.html", status=403, back=_back(request, screen, shown)
            )
        except ReasonWanted as wanted:
            moment = f"?t={quote(wanted.moment)}" if wanted.moment else ""
            return RedirectResponse(f"/console/sessions/{quote(wanted.session_id)}/read{moment}", SEE_OTHER)
        except (NotFound, TraceNotFound):
            return await page(caller, "staff/nowhere.html", status=404)
        except (Conflict, Forbidden, InvalidInput) as refused:
            status = 409 if isinstance(refused, Conflict) else 403 if isinstance(refused, Forbidden) else 422
            why = said(
                refused.message if isinstance(refused, InvalidInput) else str(refused), caller.language
            )
            back = _back(request, screen, shown)
            return await page(caller, "staff/refused.html", status=status, why=why, back=back)
        except (TraceFormatError, TraceSealed, SignatureInvalid, TraceUnreadable) as unreadable:
            refusal = refusal_of(unreadable, caller.language, caller.context.clock.now())
            why, what = (
                harmless(told(f"problem.{refusal.slug}.{part}", caller.language, **refusal.arguments))
                for part in ("detail", "next")
            )
            locked = isinstance(unreadable, ReaderKeyLocked)
            return await page(caller, "staff/unreadable.html", status=409, why=why, what=what, locked=locked)
        except (Busy, PolicyUnavailable, VaultError, RecorderError, SQLAlchemyError) as busy:
            if refuses(busy):
                log.exception("console.failed", path=screen.path)
                return await page(caller, "staff/failed.html", status=500)
            log.warning("console.unavailable", error=type(busy).__name__, path=screen.path)
            return await page(caller, "staff/unavailable.html", status=503, headers={"Retry-After": "5"})
        except Exception:  # whatever it is, a person sees a screen, and the log keeps all of it
            log.exception("console.failed", path=screen.path)
            return await page(caller, "staff/failed.html", status=500)

    return served


def _back(request: Request, screen: Screen, shown: Mapping[str, Screen]) -> str | None:
    """Return the page to go back to: the one that the form stands on, or the one above; None where neither is one."""
    path = request.url.path
    if screen.method == "POST" and screen.path in shown:
        return path
    return path.rpartition("/")[0] if screen.path.rpartition("/")[0] in shown else None


async def _judged(screen: Screen, again: Screen | None, caller: StaffCaller) -> Response:
    if not screen.public:
        if caller.visitor is None:
            return await _signed_out(screen, caller)
        if not screen.open_to(caller.roles):
            wanted = sorted(role.value for role in screen.roles)
            return await page(caller, "staff/forbidden.html", status=403, wanted=wanted)
    if screen.show is not None:
        return await screen.show(caller)
    if screen.take is None:
        raise TypeError(f"{screen.path} has no handler")
    async with caller.form() as form:
        if screen.fresh:
            await _prove(caller, form)
            if caller.fault is not None and again is not None and again.show is not None:
                caller.keep(form)
                response = await again.show(caller)
                response.status_code = 401
                return response
            if not caller.who.fresh:
                raise Forbidden("give a fresh code first")
        try:
            return await screen.take(caller, form)
        except InvalidInput as refused:
            if again is None or again.show is None:
                raise
            caller.keep(form)
            caller.fault = said(refused.message, caller.language)
            response = await again.show(caller)
            response.status_code = 422
            return response


async def _prove(caller: StaffCaller, form: FormData) -> None:
    """Take the code of the form where one is needed; what is wrong with it is the caller's fault afterwards."""
    if caller.who.fresh:
        return
    code = "".join(text(form, "code", longest=32).split())
    if not code:
        caller.fault = say("proof.wanted", caller.language)
        return
    try:
        caller.visitor = await caller.context.services.console_sessions.prove(caller.who, code, caller.source)
    except LockedOut as locked:
        minutes = max(1, round((locked.until - caller.context.clock.now()).total_seconds() / 60 + 0.5))
        caller.fault = say("door.locked", caller.language, minutes=minutes)
    except AuthenticationFailed:
        caller.fault = say("proof.wrong", caller.language)


async def _signed_out(screen: Screen, caller: StaffCaller) -> Response:
    """Lead to the door, and back afterwards. A form cannot be sent again from there."""
    if caller.partial:
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    if screen.method != "GET":
        return await page(caller, "staff/over.html", status=401)
    target = caller.request.url.path
    if caller.request.url.query and len(caller.request.url.query) < 500:
        target += f"?{caller.request.url.query}"
    site = caller.request.headers.get("sec-fetch-site")
    if site == "cross-site" and caller.visit is None and caller.query("again") != "1":
        # a strict cookie does not come with a link in a mail: the browser asks once more, from here
        onward = f"{target}{'&' if '?' in target else '?'}again=1"
        return await page(caller, "staff/bounce.html", onward=onward)
    return RedirectResponse(f"/console/sign-in?next={quote(target, safe='')}", SEE_OTHER)
