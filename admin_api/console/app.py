"""The pages as one ASGI application; every route says here who may ask for it, and everything else is not found."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from admin_api.console import account, enrolment
from admin_api.console.caller import Caller
from admin_api.console.errors import FormRefused, StepAhead, VisitOver
from admin_api.console.guard import Guard, is_page, known_hosts
from admin_api.console.screen import page, unavailable
from admin_api.console.staff import app as staff
from admin_api.console.staff import live
from admin_api.console.steps import Step
from admin_api.deps import Context
from admin_api.edge import BodyLimit
from policy.authn.passwords import Busy
from policy.errors import PolicyUnavailable, VaultError

Page = Callable[[Caller], Awaitable[Response]]
_SEE_OTHER: Final = 303
_LARGEST_FORM: Final = 48 * 1024

log = structlog.get_logger()
_KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Pages:
    """Answers what belongs to the pages, and hands everything else to the API behind it."""

    def __init__(self, app: ASGIApp, *, context: Context) -> None:
        """Wrap *app*."""
        self._app = app
        self._context = context
        settings = context.services.settings
        hosts = known_hosts(settings.pages_url, context.settings.page_hosts)
        pages = BodyLimit(
            Starlette(routes=self._routes()), context=context, public=frozenset(), ceiling=_LARGEST_FORM
        )
        self._pages = Guard(pages, hosts=hosts, clock=context.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] == "websocket" and not is_page(scope["path"]):
            await send({"type": "websocket.close", "code": 1008})
            return
        ours = scope["type"] in {"http", "websocket"} and is_page(scope["path"])
        await (self._pages if ours else self._app)(scope, receive, send)

    def _routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            self._route("/", _home),
            self._route("/i/{token}", lambda caller: enrolment.follow_link(caller, _named(caller, "token"))),
            self._route("/enrol", enrolment.resume),
            self._route("/enrol/connection/state", _connected),
            self._route("/account", _home),
            self._route("/account/leave", account.leave, "POST"),
            self._route(
                "/account/language/{wanted}",
                lambda caller: account.choose_language(caller, _named(caller, "wanted")),
            ),
        ]
        found += [self._route(step.path, _showing(step)) for step in Step]
        found += [self._route(step.path, _taking(step), "POST") for step in Step]
        for way in account.WAYS:
            found.append(self._route(f"/account/{way}", _way_shown(way)))
            found.append(self._route(f"/account/{way}", _way_taken(way), "POST"))
        found += [self._asset(name) for name in ASSETS]
        found += staff.routes(self._context)
        found.append(live.stream_route(self._context))
        found += [self._route("/{rest:path}", _nowhere), self._route("/{rest:path}", _nowhere, "POST")]
        return found

    def _route(self, path: str, answer: Page, method: str = "GET") -> Route:
        async def served(request: Request) -> Response:
            caller = Caller.of(request, self._context)
            return await _answered(caller, answer)

        return Route(path, served, methods=[method])

    @staticmethod
    def _asset(name: str) -> Route:
        content = (files("admin_api.console") / "static" / name).read_bytes()
        kind = _KINDS[name.rpartition(".")[2]]

        async def served(_request: Request) -> Response:
            return Response(content, media_type=kind)

        return Route(f"/static/{name}", served, methods=["GET"])


ASSETS: Final = ("pages.css", "pages.js", "mark.svg")


async def _answered(caller: Caller, answer: Page) -> Response:
    """Turn what a page raises into a page; what is unforeseen goes on to the API's own net."""
    try:
        return await answer(caller)
    except StepAhead as ahead:
        return RedirectResponse(ahead.step, _SEE_OTHER)
    except VisitOver:
        return await page(caller, "visit_over.html", status=401)
    except FormRefused:
        return await page(caller, "form_refused.html", status=403)
    except (Busy, PolicyUnavailable, VaultError) as busy:
        log.warning("pages.unavailable", error=type(busy).__name__)
        return await unavailable(caller)


def _named(caller: Caller, name: str) -> str:
    return str(caller.request.path_params[name])


def _showing(step: Step) -> Page:
    return lambda caller: enrolment.show(caller, step)


def _taking(step: Step) -> Page:
    return lambda caller: enrolment.take(caller, step)


def _way_shown(way: str) -> Page:
    return lambda caller: account.show(caller, way)


def _way_taken(way: str) -> Page:
    return lambda caller: account.take(caller, way)


async def _home(caller: Caller) -> Response:
    """Go on with a visit that is under way, else to signing in."""
    try:
        await enrolment.look(caller)
    except VisitOver:
        return RedirectResponse("/account/sign-in", _SEE_OTHER)
    return await enrolment.resume(caller)


async def _connected(caller: Caller) -> Response:
    """Tell the page of the last step whether she has come in; it asks every few seconds."""
    situation = await enrolment.opened(caller, Step.CONNECTION)
    return JSONResponse({"connected": situation.connected_at is not None})


async def _nowhere(caller: Caller) -> Response:
    return await page(caller, "nowhere.html", status=404)
