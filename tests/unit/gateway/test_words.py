"""The gateway's sentences and refusals."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import gateway
from gateway.server import commands
from gateway.session.forwarding import REFUSALS, refusal_of, told
from gateway.session.reasons import EndReason
from gateway.session.transfer.command import Refused
from policy.domain.people import Language
from policy.domain.reports import Goal, ReportState
from policy.domain.windows import WindowState
from policy.i18n import load
from policy.services.login_keys import TOLD

ROOT = Path(gateway.__file__).parent


def keys_of(language: str) -> set[str]:
    """Give the keys of one language's catalogue."""
    with (ROOT / "locales" / language / "messages.po").open("rb") as file:
        return {entry.id[0] if entry.pluralizable else str(entry.id) for entry in read_po(file) if entry.id}


def test_both_languages_say_the_same_things() -> None:
    """French and English hold the same keys."""
    assert keys_of("fr") == keys_of("en")


def test_no_sentence_is_without_use_and_none_is_missing() -> None:
    """Each key is named by the code, or made by it from the end reasons; each key the code names exists."""
    source = "\n".join(path.read_text() for path in ROOT.rglob("*.py"))
    named = set(re.findall(r'["\']((?:banner|prompt|login|welcome|warning|end|refusal|refused|device|menu|list|command|help'
                           r'|task|usage|windows|ask|extend|keys|ssh-config|notice|withdraw|report|step)\.[a-z0-9-]+|contact)["\']', source))  # fmt: skip
    made = {f"end.{reason.value}" for reason in EndReason}
    made -= {"end.left", "end.lost"}
    made |= {f"earlier.{reason}" for reason in (*EndReason, "interrupted")}
    for shape in (getattr(commands, name).shape for name in commands.__all__ if name.endswith("Command")):
        made |= {f"help.{shape.name}", f"usage.{shape.name}"}
        made |= {f"command.place-{place}" for place in shape.places}
    made |= {"help.help"}
    made |= {f"window.{state}" for state in (*WindowState, "open", "elapsed", "unanswered")}
    made |= {f"report.{state.value}" for state in ReportState} | {f"goal.{goal.value}" for goal in Goal}
    made |= {f"extension.{state}" for state in ("waiting", "granted", "refused")}
    made |= {f"login.{reason.value}" for reason in TOLD}
    assert keys_of("fr") - named - made == set()
    assert made <= keys_of("fr")


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", [*REFUSALS, "session2", "", "\x1b[2J"])
def test_every_refusal_has_a_rule_and_a_sentence(name: str, language: Language) -> None:
    """Each kind of forwarding, and any other channel, is refused with its rule in her language."""
    line = told(refusal_of(name), load("gateway"), language)
    assert re.match(r"^(Refusé|Refused) \(PGSSIS-(C7|E6)\)\s?: .+\.$", line)


def test_forwarding_is_refused_as_propagation() -> None:
    """What would open another road is refused under E6, an unknown channel under C7."""
    assert {refused.code for refused in REFUSALS.values()} == {"E6"}
    assert refusal_of("anything") == Refused(key="refused.unknown", code="C7")


def test_instants_and_delays_read_well() -> None:
    """A nurse reads a date, an hour and a delay, in her language and the hospital's time."""
    end = datetime(2026, 3, 3, 21, 0, tzinfo=UTC)
    catalog = load("gateway")
    assert "mardi 3 mars 2026 à 22:00" in catalog.translate(
        "warning.window-changed", "fr", timezone="Europe/Paris", end=end
    )
    assert "5 minutes" in catalog.translate("warning.window-end", "en", remaining=timedelta(minutes=5))
