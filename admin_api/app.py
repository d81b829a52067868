"""The API as one application: made from what it needs, with nothing opened at import."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from admin_api.console.app import Pages
from admin_api.console.mailer import Mailer
from admin_api.deps import Context, language_of
from admin_api.edge import BodyLimit, Envelope, Gate
from admin_api.errors import ApiError
from admin_api.evidence import journal_logins
from admin_api.health import Health, Probe
from admin_api.problems import INTERNAL, MEDIA_TYPE, Problem, problem_response, refusal_of
from admin_api.readers import ReaderDesk
from admin_api.retention.keeper import Keeper
from admin_api.security.permissions import EVERY_ROLE, GuardedRoute
from admin_api.settings import ApiSettings
from admin_api.v1 import ROUTERS
from admin_api.wording import catalog as words
from policy.clock import Clock
from policy.errors import PolicyError
from policy.i18n import Catalog as SentenceCatalog
from policy.services import Services
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.ports import TraceStore
from recorder.proof.proofs import Proofs
from recorder.seal.ring import ReaderRing
from recorder.seal.signing import PublicKey
from recorder.search.indexer import Indexer
from recorder.store.catalog import Catalog

_PREFIX = "/v1"

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "A refusal: what, which fields, and the next step (RFC 9457)."},
    "5XX": {"model": Problem, "description": "The service cannot answer now; nothing was changed."},
}


def create_app(
    services: Services,
    catalog: Catalog,
    journal: Journal,
    trace_store: TraceStore,
    proofs: Proofs,
    settings: ApiSettings,
    clock: Clock,
    *,
    vocabulary: tuple[SentenceCatalog, ...] = (),
    search: Indexer | None = None,
    ring: ReaderRing | None = None,
    probe: Probe | None = None,
) -> FastAPI:
    """Build the application. The caller owns what it is given, and closes it after the server has stopped.

    *search* is None where the settings turn the search off. *vocabulary* holds the reasons that traces name by key and
    another package words. *ring* holds the readers' keys, where something else opens traces by them too. *probe* tells
    whether the console can serve: without one, nobody can ask.
    Raises SignatureInvalid where a public key of the settings cannot be read, OSError or ssl.SSLError where the mail
    server's CA cannot, MissingMessage where a sentence is not in every language.
    """
    words()
    context = Context(
        services=services,
        catalog=catalog,
        journal=journal,
        traces=trace_store,
        proofs=proofs,
        trace_keys=tuple(PublicKey.load(path) for path in settings.trace_public_keys),
        readers=ReaderDesk(
            ring or ReaderRing(settings.readers, clock.now), services, journal, settings.hospital_id, clock
        ),
        settings=settings,
        keeper=Keeper(services, trace_store, proofs, journal, settings.hospital_id, clock),
        clock=clock,
        vocabulary=vocabulary,
        search=search,
        mailer=None
        if settings.mail is None
        else Mailer(services.mails, settings.hospital_id, settings.mail, vocabulary),
    )
    journal_logins(services.login, journal, settings.node)
    # no page of documentation: it would need scripts from elsewhere; /openapi.json is there for tools
    app = FastAPI(
        title="Écluse",
        version="1",
        summary="Interventions on a hospital's devices: planned, approved, recorded.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_PROBLEMS,
    )
    app.state.context = context
    app.router.route_class = GuardedRoute
    for router in ROUTERS:
        app.include_router(router, prefix=_PREFIX)
    app.add_api_route("/openapi.json", _description, openapi_extra=EVERY_ROLE, include_in_schema=False)
    public = _public_routes()
    # the last added is the outermost
    app.add_middleware(BodyLimit, context=context, public=public)
    app.add_middleware(Gate, context=context, public=public)
    app.add_middleware(Pages, context=context)
    if probe is not None:
        app.add_middleware(Health, probe=probe)
    app.add_middleware(Envelope)
    for kind in (
        ApiError,
        PolicyError,
        RecorderError,
        RequestValidationError,
        HTTPException,
        SQLAlchemyError,
    ):
        app.add_exception_handler(kind, _refuse)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    context: Context = request.app.state.context
    language = language_of(request)
    refusal = refusal_of(error, language, context.clock.now())
    if refusal is INTERNAL:
        raise error  # the log has all of it, at the edge
    return problem_response(refusal, language)


async def _description(request: Request) -> JSONResponse:
    """Describe the API (OpenAPI 3.1)."""
    return JSONResponse(describe(request.app))


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the bearer scheme and problems under their own media type."""
    if app.openapi_schema is None:
        document = app.openapi()
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for operations in document["paths"].values():
            for operation in operations.values():
                _retype_problems(operation["responses"])
        app.openapi_schema = document
    return app.openapi_schema


def _retype_problems(responses: dict[str, Any]) -> None:
    # FastAPI documents its own 422 shape wherever there is input; here every refusal is a problem
    responses.pop("422", None)
    for status in ("4XX", "5XX"):
        content = responses[status]["content"]
        content[MEDIA_TYPE] = content.pop("application/json")


async def send_mails(app: FastAPI) -> None:
    """Empty the queue of mails of *app* until cancelled; ends at once where the hospital sends none."""
    context: Context = app.state.context
    if context.mailer is not None:
        await context.mailer.run()


async def close(app: FastAPI) -> None:
    """End what *app* works at for its replays; to be awaited once it serves no more."""
    context: Context = app.state.context
    await context.recordings.close()


async def look_after_readers(app: FastAPI) -> None:
    """Lock the readers' keys of *app* when their time is over, until cancelled."""
    context: Context = app.state.context
    await context.readers.run()


async def keep_retention(app: FastAPI) -> None:
    """Purge, hold and erase what *app* was told to, until cancelled."""
    context: Context = app.state.context
    await context.keeper.run()


def routes() -> Iterator[tuple[str, str, GuardedRoute]]:
    """Yield method, whole path and route of all of version 1; raises TypeError for one that names no callers."""
    for router in ROUTERS:
        for route in router.routes:
            if not isinstance(route, GuardedRoute):
                raise TypeError(f"{route!r} does not say who may call it")
            for method in sorted(route.methods or ()):
                yield method, f"{_PREFIX}{route.path}", route


def _public_routes() -> frozenset[tuple[str, str]]:
    return frozenset((method, path) for method, path, route in routes() if route.public)
