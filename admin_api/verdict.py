"""The decision that opened a session, rule by rule, as its trace keeps it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from policy import i18n
from policy.domain.access import Finding
from policy.domain.factors import Factor, Level
from policy.domain.interventions import InterventionKind
from policy.domain.people import Language
from policy.domain.windows import Channel
from policy.errors import MissingMessage

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$")
_KINDS: Final[Mapping[str, type[StrEnum]]] = {
    "factors": Factor,
    "level": Level,
    "demanded": Level,
    "kind": InterventionKind,
    "channels": Channel,
}
"""What the arguments of findings are, by their names: a trace keeps their plain form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the decision. ``sentence`` is None where the trace kept only its code."""

    label: str
    held: bool
    sentence: str | None


def rules(decision: Mapping[str, Any], language: Language, timezone: str) -> list[Rule]:
    """Return the rules of a trace's *decision* in *language*, instants in *timezone*; their codes alone where no more was kept."""
    findings = decision.get("findings")
    if not isinstance(findings, list):
        return [
            Rule(label=i18n.rule_label(code), held=True, sentence=None)
            for code in texts(decision.get("held"))
        ]
    return [_rule(one, language, timezone) for one in findings if isinstance(one, dict)]


def _rule(told: dict[str, Any], language: Language, timezone: str) -> Rule:
    arguments = told.get("arguments")
    finding = Finding(
        code=str(told.get("code")),
        held=bool(told.get("held")),
        key=str(told.get("key")),
        arguments={str(name): _argument(str(name), value) for name, value in arguments.items()}
        if isinstance(arguments, dict)
        else {},
    )
    try:
        sentence = i18n.sentence(finding, language, timezone)
    except (MissingMessage, KeyError, TypeError, ValueError):  # of another version
        sentence = None
    return Rule(label=i18n.rule_label(finding.code), held=finding.held, sentence=sentence)


def _argument(name: str, value: object) -> object:
    """Read an instant, a factor or a level back as what it was; everything else stands as it was kept."""
    kind = _KINDS.get(name)
    try:
        if isinstance(value, list):
            return frozenset(kind(str(one)) for one in value) if kind else tuple(str(one) for one in value)
        if name == "limit" and isinstance(
            value, float
        ):  # a length of time; a number of sessions is a whole one
            return timedelta(seconds=value)
        if isinstance(value, str) and kind is not None:
            return kind(value)
        if isinstance(value, str) and _INSTANT.match(value):
            return datetime.fromisoformat(value)
    except ValueError:
        return value
    return value


def texts(value: object) -> list[str]:
    """Return the items of a list that a trace keeps as texts; none where it is no list."""
    return [str(one) for one in value] if isinstance(value, list) else []
