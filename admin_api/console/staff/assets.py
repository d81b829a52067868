"""The console's static files: its own, and those that set-up fetched by the lock and that no commit holds."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
OWN: Final = ("staff.css", "staff.js", "theme.js", "replay.js", "live.js", "icons.svg", "gate.svg")
VENDOR: Final = ("bootstrap.css", "htmx.js", "asciinema-player.css", "asciinema-player.js")
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its content, and the address that changes with it."""

    content: bytes
    kind: str
    url: str


@cache
def asset(name: str) -> Asset | None:
    """Return the file of that name; None for one that set-up should have fetched and has not."""
    folder = files("admin_api.console") / "static"
    place = folder / "vendor" / name if name in VENDOR else folder / name
    if not place.is_file():
        return None
    content = place.read_bytes()
    path = f"/static/vendor/{name}" if name in VENDOR else f"/static/{name}"
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, _KINDS[name.rpartition(".")[2]], f"{path}?v={digest}")


def missing() -> list[str]:
    """Name the files that set-up should have fetched."""
    return [name for name in VENDOR if asset(name) is None]


def url(name: str) -> str:
    """Return the address of a file; one that is missing has an address that answers so."""
    found = asset(name)
    return found.url if found is not None else f"/static/vendor/{name}"


def routes() -> list[Route]:
    """Return the routes of all files."""
    return [_route(name) for name in (*OWN, *VENDOR)]


def _route(name: str) -> Route:
    path = f"/static/vendor/{name}" if name in VENDOR else f"/static/{name}"

    async def served(request: Request) -> Response:
        found = asset(name)
        if found is None:
            return PlainTextResponse("404\n", 404)
        fresh = request.query_params.get("v") == found.url.rpartition("=")[2]
        headers = {"Cache-Control": _FOREVER if fresh else "no-store"}
        return Response(found.content, media_type=found.kind, headers=headers)

    return Route(path, served, methods=["GET"])
