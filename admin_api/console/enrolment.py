"""The pages of a visit: from the welcome to the first connection, one step a page."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import segno
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from admin_api.console.caller import Caller, begin_visit, text
from admin_api.console.errors import StepAhead, VisitOver
from admin_api.console.screen import page
from admin_api.console.steps import Step, after, is_open, marks, present
from admin_api.console.words import say
from admin_api.sayings import said
from policy.authn.passwords import Busy, Strength
from policy.authn.x509_chains import handed_over
from policy.domain.engagements import EngagementKind
from policy.domain.people import Language
from policy.errors import AuthenticationFailed, Conflict, InvalidInput, NotFound
from policy.services.visits import Situation
from policy.vault.secret import Secret

_LARGEST_KEY: Final = 64 * 1024
_SEE_OTHER: Final = 303
Take = Callable[[Caller, Situation, FormData], Awaitable[Response]]


async def follow_link(caller: Caller, token: str) -> Response:
    """Exchange an invitation's token for a visit, and go on to an address that holds nothing.

    By a page that goes on by itself, not by a redirection: a browser that comes from a webmail would not show its
    strict cookie to where it is redirected. Nothing is used up: whoever looks at links in mails may come first.
    """
    try:
        visit = await caller.context.services.visits.open(Secret(token), caller.source)
    except AuthenticationFailed:
        return await page(caller, "link_over.html", status=404)
    return begin_visit(await page(caller, "link.html"), visit)


async def resume(caller: Caller) -> Response:
    """Go to the step that is open."""
    situation = await look(caller)
    return RedirectResponse(present(situation).path, _SEE_OTHER)


async def show(caller: Caller, step: Step) -> Response:
    """Show the page of *step*; raises VisitOver, StepAhead."""
    return await _page(caller, await opened(caller, step), step)


async def take(caller: Caller, step: Step) -> Response:
    """Take the form of *step*; raises VisitOver, StepAhead, FormRefused."""
    async with caller.form() as form:
        situation = await opened(caller, step)
        return await _TAKE[step](caller, situation, form)


async def look(caller: Caller) -> Situation:
    """Return where the caller's visit stands; raises VisitOver."""
    if caller.visit is None:
        raise VisitOver
    try:
        situation = await caller.context.services.visits.look(caller.visit)
    except AuthenticationFailed as over:
        raise VisitOver from over
    if situation.visit.hospital_id != caller.context.settings.hospital_id:
        raise VisitOver
    if not caller.chose_language:
        caller.language = situation.person.language
    return situation


async def opened(caller: Caller, step: Step) -> Situation:
    """Return where the visit stands; raises VisitOver, and StepAhead where *step* is not open in it."""
    situation = await look(caller)
    if not is_open(situation, step):
        raise StepAhead(present(situation).path)
    return situation


async def _page(
    caller: Caller,
    situation: Situation,
    step: Step,
    *,
    fault: str | None = None,
    status: int = 200,
    **values: Any,
) -> Response:
    strength = _strength(caller)
    told = None if strength is None else say(f"password.{strength.value}", caller.language)
    shown: dict[str, Any] = {"fault": fault, "notice": told, "codes": (), "strength": strength, **values}
    return await page(
        caller,
        f"step_{step.value}.html",
        status=status,
        hospital=situation.hospital,
        situation=situation,
        person=situation.person,
        step=step,
        marks=marks(situation, step),
        following=after(situation, step).path,
        **shown,
        **_facts(caller, situation, step),
    )


def _facts(caller: Caller, situation: Situation, step: Step) -> dict[str, Any]:
    if step is Step.CODE and situation.enrolment is not None:
        picture = segno.make(situation.enrolment.uri, error="m", micro=False)
        secret = situation.enrolment.secret.reveal()
        return {
            "picture": picture.svg_inline(border=3, omitsize=True, dark="#12262b", light="#fff"),
            "uri": situation.enrolment.uri,
            "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        }
    if step is Step.CONNECTION:
        place = caller.context.settings.gateway
        port = "" if place.port == 22 else f"-p {place.port} "
        return {
            "command": f"ssh {port}{situation.person.login}@{place.name}",
            "listing": f"ssh {port}{situation.person.login}@{place.name} list",
            "known_host": place.known_hosts(),
            "fingerprints": place.fingerprints,
            "still": "still" in caller.request.query_params,
        }
    if step is Step.ENGAGEMENTS:
        return {"spoken": caller.language, "languages": tuple(Language)}
    return {}


async def _welcome(caller: Caller, situation: Situation, form: FormData) -> Response:
    del caller, form
    return RedirectResponse(after(situation, Step.WELCOME).path, _SEE_OTHER)


async def _password(caller: Caller, situation: Situation, form: FormData) -> Response:
    chosen, again = text(form, "password"), text(form, "again")
    if chosen != again:
        fault = say("password.differ", caller.language)
        return await _page(caller, situation, Step.PASSWORD, fault=fault, status=422)
    visits = caller.context.services.visits
    try:
        strength = await visits.choose_password(
            _visit(caller), Secret(chosen), text(form, "spoken_code", longest=32)
        )
    except InvalidInput as refused:
        fault = f"{say('password.fault', caller.language)} {said(refused.message, caller.language)}."
        return await _page(caller, situation, Step.PASSWORD, fault=fault, status=422)
    except Busy:
        raise
    except AuthenticationFailed:
        # the visit was open a moment ago: what is wrong is the code told by voice, or it has just been blocked
        present_now = await look(caller)
        fault = say("password.spoken_wrong", caller.language)
        return await _page(caller, present_now, Step.PASSWORD, fault=fault, status=422)
    # by a redirection: loading the page again must not make another secret
    return RedirectResponse(f"{present(await look(caller)).path}?strength={strength.value}", _SEE_OTHER)


async def _code(caller: Caller, situation: Situation, form: FormData) -> Response:
    typed = "".join(text(form, "code", longest=32).split())
    try:
        renewed = await caller.context.services.visits.confirm(_visit(caller), typed)
    except AuthenticationFailed:
        now = await look(caller)
        fault = say("code.wrong", caller.language)
        return await _page(caller, now, Step.CODE, fault=fault, status=422)
    return begin_visit(RedirectResponse(after(situation, Step.CODE).path, _SEE_OTHER), renewed)


async def _key(caller: Caller, situation: Situation, form: FormData) -> Response:
    visits = caller.context.services.visits
    try:
        if fingerprint := text(form, "remove", longest=100):
            await visits.remove_key(_visit(caller), fingerprint)
            notice = say("key.removed", caller.language)
        else:
            content, pasted = await _uploaded(form)
            if not content:
                return RedirectResponse(after(situation, Step.KEY).path, _SEE_OTHER)
            pem = handed_over(content, pasted)
            if pem is None:
                key = await visits.add_key(_visit(caller), _line(content))
                notice = say("key.added", caller.language, fingerprint=key.fingerprint)
            else:
                bound = await visits.add_certificate(_visit(caller), pem)
                subject, until = bound.subject, bound.not_after
                zone = situation.hospital.timezone
                notice = say(
                    "key.certificate_added", caller.language, timezone=zone, subject=subject, until=until
                )
    except InvalidInput as refused:
        certificate = refused.field == "certificate"
        what = (
            say("key.certificate_fault", caller.language)
            if certificate
            else say("key.fault", caller.language)
        )
        fault = f"{what} {said(refused.message, caller.language)}."
        return await _page(caller, situation, Step.KEY, fault=fault, status=422)
    except (Conflict, NotFound) as refused:
        fault = said(str(refused), caller.language)
        return await _page(caller, await look(caller), Step.KEY, fault=fault, status=409)
    return await _page(caller, await look(caller), Step.KEY, notice=notice)


async def _uploaded(form: FormData) -> tuple[bytes, str]:
    """Return what was pasted, or the file and what was pasted besides: a certificate's chain."""
    pasted = text(form, "public_key", longest=_LARGEST_KEY).strip()
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return pasted.encode(), ""
    content = await file.read(_LARGEST_KEY + 1)
    if handed_over(content) is None and pasted:
        return pasted.encode(), ""
    return content, pasted


def _line(content: bytes) -> str:
    """Return the line of a public key; raises InvalidInput for a file that is no text."""
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidInput("public_key", "is not in OpenSSH form; hand over the .pub file as it is") from None


async def _engagements(caller: Caller, situation: Situation, form: FormData) -> Response:
    versions: dict[EngagementKind, int] = {}
    for shown in situation.to_accept:
        typed = text(form, f"accept_{shown.kind.value}", longest=10)
        if typed.isascii() and typed.isdigit():
            versions[shown.kind] = int(typed)
    try:
        await caller.context.services.visits.accept(_visit(caller), versions, caller.source)
    except InvalidInput:
        fault = say("engagements.all", caller.language)
        return await _page(caller, await look(caller), Step.ENGAGEMENTS, fault=fault, status=422)
    return RedirectResponse(after(situation, Step.ENGAGEMENTS).path, _SEE_OTHER)


async def _recovery(caller: Caller, situation: Situation, form: FormData) -> Response:
    del situation, form
    made = await caller.context.services.visits.make_codes(_visit(caller))
    codes = tuple(code.reveal() for code in made)
    return await _page(caller, await look(caller), Step.RECOVERY, codes=codes)


async def _connection(caller: Caller, situation: Situation, form: FormData) -> Response:
    del caller, situation, form
    return RedirectResponse(Step.CONNECTION.path, _SEE_OTHER)


def _visit(caller: Caller) -> Secret:
    if caller.visit is None:
        raise VisitOver
    return caller.visit


def _strength(caller: Caller) -> Strength | None:
    """Return how strong the password just chosen is, as the redirection tells."""
    told = caller.request.query_params.get("strength", "")
    return Strength(told) if told in set(Strength) else None


_TAKE: Final[dict[Step, Take]] = {
    Step.WELCOME: _welcome,
    Step.PASSWORD: _password,
    Step.CODE: _code,
    Step.KEY: _key,
    Step.ENGAGEMENTS: _engagements,
    Step.RECOVERY: _recovery,
    Step.CONNECTION: _connection,
}
