"""What a person at work reads of the answers to what she asked for."""

from collections.abc import Mapping
from datetime import datetime

from gateway.server.banners import Wording
from policy.domain.access import Grant
from policy.domain.events import PolicyEvent
from policy.i18n import neutralise

_KEYS = {
    "window.extended": "notice.extension-granted",
    "window.extension_refused": "notice.extension-refused",
    "window.approved": "notice.request-granted",
    "window.refused": "notice.request-refused",
}

_SECOND_POST = "person.second_post_refused"


def notice(event: PolicyEvent, grant: Grant, wording: Wording) -> str | None:
    """Return what *event* answers the person of *grant*, in her language; None where it answers nothing of hers.

    It names who decided, and why where a reason was given.
    """
    if event.name == _SECOND_POST:
        own = event.subject == grant.person_id and event.hospital_id == grant.hospital_id
        return wording.refused("notice.second-post", grant.language, **event.after) if own else None
    key, facts = _KEYS.get(event.name), event.after
    if key is None or facts.get("requested_by") != grant.person_id or "decided_by" not in facts:
        return None
    arguments: dict[str, object] = {"by": facts["decided_by"]}
    if event.name in {"window.approved", "window.refused"}:
        arguments |= {"purpose": facts.get("purpose"), **_first_opening(facts)}
    elif event.name == "window.extended":
        arguments["end"] = datetime.fromisoformat(str(facts["end"]))
    text = wording.say(key, grant.language, **arguments)
    reason = facts.get("reason")
    return f"{text} {neutralise(str(reason), 500)}" if reason else text


def is_extension(event: PolicyEvent) -> bool:
    """Tell whether *event* says itself until when a window is open now."""
    return event.name == "window.extended"


def _first_opening(facts: Mapping[str, object]) -> dict[str, object]:
    occurrences = facts.get("occurrences")
    if not isinstance(occurrences, list) or not occurrences:
        raise ValueError("a window without an opening was answered")
    return {name: datetime.fromisoformat(str(occurrences[0][name])) for name in ("start", "end")}
