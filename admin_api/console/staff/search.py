"""Search: what was on screen, commands, files and findings, over every recorded session."""

from datetime import timedelta
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.responses import Response

from admin_api.console.caller import text
from admin_api.console.staff import moments
from admin_api.console.staff.caller import StaffCaller
from admin_api.console.staff.listing import registry
from admin_api.console.staff.screens import REPLAYERS, Screens
from admin_api.console.staff.view import page
from admin_api.sayings import said
from admin_api.v1.search import LONGEST_CURSOR, Asked, progress, searched
from admin_api.wording import say as sentence
from policy.errors import InvalidInput, NotFound
from policy.services import inputs
from recorder.errors import QueryRefused
from recorder.search.hits import Hit, Hits
from recorder.search.passages import Kind
from recorder.search.query import MAX_QUERY, Query, parse

screens = Screens()
screens.entry("menu.search", "/console/search", icon="search", order=50, roles=REPLAYERS)
PAGE: Final = 50
_FIELDS: Final = ("q", "reason", "person", "supplier", "device", "kind", "from", "to")


@screens.get("/console/search", roles=REPLAYERS)
async def show(caller: StaffCaller) -> Response:
    """Show what may be asked, and how much of what there is can be found."""
    asked = {name: caller.kept.get(name) or caller.query(name, longest=MAX_QUERY) for name in _FIELDS}
    return await _shown(caller, asked, None)


@screens.post("/console/search", roles=REPLAYERS, fresh=True)
async def search(caller: StaffCaller, form: FormData) -> Response:
    """Search, for a reason that the journal keeps, and show what was found."""
    caller.keep(form)
    asked = {name: text(form, name, longest=MAX_QUERY + 200) for name in _FIELDS}
    zone = caller.here.timezone
    try:
        words = parse(asked["q"])
        filters = {**words.filters, **({"kind": asked["kind"]} if asked["kind"] in set(Kind) else {})}
        wanted = Asked(
            words=Query(words.match, filters),
            typed=asked["q"],
            reason=inputs.line(asked["reason"], "reason", longest=500),
            device=asked["device"] or None,
            person=asked["person"] or None,
            supplier=asked["supplier"] or None,
            since=moments.day_start(asked["from"], zone),
            until=moments.day_end(asked["to"], zone),
            limit=PAGE,
            after=int(after)
            if (after := text(form, "after", longest=20)).isdecimal() and len(after) <= LONGEST_CURSOR
            else None,
        )
        found = await searched(caller.context, caller.principal, wanted)
    except InvalidInput as refused:
        caller.fault = said(refused.message, caller.language)
        return await _shown(caller, asked, None, status=422)
    except QueryRefused as refused:
        caller.fault = sentence(f"search.refused.{refused.reason}", caller.language, word=refused.word)
        return await _shown(caller, asked, None, status=422)
    except NotFound as missing:
        caller.fault = sentence(
            "problem.not-found.detail", caller.language, noun=missing.noun, name=missing.key
        )
        return await _shown(caller, asked, None, status=404)
    return await _shown(caller, asked, found)


async def _shown(
    caller: StaffCaller, asked: dict[str, str], found: Hits | None, *, status: int = 200
) -> Response:
    return await page(
        caller,
        "staff/search.html",
        status=status,
        asked=asked,
        known=await registry(caller),
        kinds=[kind.value for kind in Kind],
        found=found,
        hits=[] if found is None else [_hit(hit) for hit in found.found],
        progress=await progress(caller.context, caller.principal),
    )


def _hit(hit: Hit) -> dict[str, Any]:
    at = timedelta(milliseconds=hit.at_ms)
    return {
        "id": hit.session_id,
        "facts": hit.facts,
        "kind": hit.kind.value,
        "at": hit.started + at,
        "offset": at,
        "seconds": f"{at.total_seconds():.1f}",
        "pieces": hit.snippet,
    }
