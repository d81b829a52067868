"""Policy's refusals in the caller's language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_api.sayings import alternatives, of_both, said
from policy.domain.people import Language

ROOT = Path(__file__).resolve().parents[3]
PLACES = {
    "InvalidInput": 1,
    "AmbiguousLocalTime": 1,
    "Forbidden": 0,
    "Conflict": 0,
    "NameTaken": 0,
    "AlreadySo": 0,
    "TraceUnreadable": 0,
}
"""Which argument of each error is its sentence."""
VERIFYING = (
    *("audit/verify.py", "proof/cuts.py", "proof/ledger.py", "proof/sessions.py", "proof/stamps.py"),
    *("replay/reader.py", "replay/stub.py"),
)
NEVER_ANSWERED = {
    "domain/calendar.py": {"expansion needs aware instants", "expand at most ten years at a time, before X1"},
    "services/access.py": {
        "a session of hers is open at another post",
        "access was withdrawn between the decision and the session",
        "X1 sessions are open already, and no more than that are allowed",
    },
    "services/alarms.py": {"another process read the journal for alarms meanwhile"},
    "services/bookmarks.py": {"another process read the journal meanwhile"},
    "services/login_door.py": {"must be given: there are X1 hospitals"},
    "store/database.py": {
        "X1 is not supported: use sqlite or postgresql",
        "SQLite needs a file: write sqlite:////path/to/file",
        "write sqlite:////path/to/file or postgresql://host/name",
    },
}
"""Sentences of calls that no route makes: settings, the engine's own, the gateway's."""


def _sentence(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            shown = [
                part.value if isinstance(part, ast.Constant) else f"X{number}"
                for number, part in enumerate(parts, start=1)
            ]
            return "".join(str(one) for one in shown)
        case ast.BinOp(left=ast.Constant(value=str() as text)):
            return f"{text}X1"
    return None


def _sentences() -> Iterator[tuple[str, str]]:
    for package in ("policy", "admin_api"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PLACES:
                    place = PLACES[node.func.id]
                    text = _sentence(node.args[place]) if len(node.args) > place else None
                    if text is not None:
                        yield str(path.relative_to(ROOT / package)), text


def _findings() -> Iterator[tuple[str, str]]:
    """What a verification can find: the sentences that it hands to whoever tells them."""
    for name in VERIFYING:
        for node in ast.walk(ast.parse((ROOT / "recorder" / name).read_text(encoding="utf-8"))):
            said_there = (
                node.args
                if isinstance(node, ast.Call)
                else [node.value]
                if isinstance(node, ast.Assign | ast.Return) and node.value is not None
                else []
            )
            for text in filter(None, map(_sentence, said_there)):
                if len(text.split()) > 3 and "SELECT" not in text:
                    yield name, text


def test_what_a_verification_finds_is_said_in_french() -> None:
    """An alarm, a screen and a report name what was touched in the reader's language."""
    found = list(_findings())
    assert len(found) > 50
    assert [one for one in found if said(one[1], Language.FRENCH) == one[1]] == []


def test_every_sentence_of_policy_is_said_in_french() -> None:
    """No refusal that a route can answer stays in English: a new sentence without its French fails here."""
    found = list(_sentences())
    assert len(found) > 100
    english = [
        (place, text)
        for place, text in found
        if said(text, Language.FRENCH) == text
        and text not in _numbered(NEVER_ANSWERED.get(place, set()), text)
    ]
    assert english == []


def _numbered(texts: set[str], like: str) -> set[str]:
    """Let ``X1`` stand for a value wherever it stands in its sentence."""
    values = [word.strip(".,;:()") for word in like.split() if word.startswith("X") and word[1:2].isdigit()]
    return {text.replace("X1", values[0]) if values else text for text in texts}


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("has fewer than 12 characters; choose a longer one", "a moins de 12 caractères"),
        (
            "'10.0.0.0/99' is no network: bad; write one such as 192.0.2.0/24",
            "'10.0.0.0/99' n’est pas un réseau",
        ),
        ("the account maint is suspended", "le compte maint est suspendu"),
        ("bob is suspended", "bob est suspendu(e)"),
        ("a or b is suspended: nothing may dial it", "a or b est isolé"),
        (
            "record 3 is not the one that was written: its digest differs",
            "l’enregistrement 3 n’est pas celui qui a été écrit",
        ),
    ],
)
def test_values_keep_their_place(english: str, french: str) -> None:
    """What a sentence carries is carried over, and the most telling template wins."""
    assert said(english, Language.FRENCH).startswith(french)
    assert said(english, Language.ENGLISH) == english


def test_what_is_unknown_stays_as_it_is() -> None:
    """A sentence that nobody knows is told as it is, not lost."""
    assert said("something else altogether", Language.FRENCH) == "something else altogether"


def test_values_to_choose_from_are_listed_in_the_caller_s_language() -> None:
    """Only a list of single words is one: a sentence that holds the word stays as it is."""
    assert alternatives("'critical', 'high' or 'notice'", Language.FRENCH) == "'critical', 'high' ou 'notice'"
    assert alternatives("'critical', 'high' or 'notice'", Language.ENGLISH).endswith("or 'notice'")
    assert alternatives("this one or that", Language.FRENCH) == "this one or that"


def test_what_a_gateway_said_in_both_languages_is_told_in_one() -> None:
    """French comes first; what stands behind no stroke is one of policy's sentences, or told as it is."""
    both = "Le scan ne répond pas (a / b). / The scan does not answer (a / b)."
    assert of_both(both, Language.FRENCH) == "Le scan ne répond pas (a / b)."
    assert of_both(both, Language.ENGLISH) == "The scan does not answer (a / b)."
    assert of_both("bob is suspended", Language.FRENCH) == "bob est suspendu(e)"
    assert of_both("Le scan refuse (a / b…", Language.ENGLISH) == "Le scan refuse (a / b…"
