from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy.domain.people import Factor, Language
from policy.errors import InvalidInput, MissingMessage
from policy.i18n import Catalog, load, neutralise, rule_label, translate

FRENCH, ENGLISH = Language.FRENCH, Language.ENGLISH
NBSP = "\N{NO-BREAK SPACE}"


def speak(template: str, english: str | None = None) -> Catalog:
    """Return a catalogue of one sentence."""
    return Catalog({FRENCH: {"k": template}, ENGLISH: {"k": english or template}})


def test_both_languages_are_spoken() -> None:
    """The same key gives a sentence in each language."""
    assert translate("mover.planner", FRENCH) == "le planificateur de l’établissement"
    assert translate("mover.planner", "en") == "the hospital's planner"


@pytest.mark.parametrize("language", ["de", "", "fr_FR"])
def test_other_languages_are_refused(language: str) -> None:
    """A language that is not spoken is an error, not silence."""
    with pytest.raises(MissingMessage):
        translate("mover.planner", language)


@pytest.mark.parametrize(
    ("count", "french", "english"),
    [
        (0, "session en cours", "sessions going on"),
        (1, "session en cours", "session going on"),
        (2, "sessions en cours", "sessions going on"),
        (1_000_000, "sessions en cours", "sessions going on"),
    ],
)
def test_one_is_no_plural(count: int, french: str, english: str) -> None:
    """None and one are singular in French, one alone in English."""
    said = load("admin_api.console.staff")
    assert said.translate("home.card.live", FRENCH, count=count) == french
    assert said.translate("home.card.live", ENGLISH, count=count) == english
    more = said.translate("retention.more", FRENCH, count=count)
    assert more == f"Et {count} autre{'s' if count > 1 else ''}."
    assert set(said.templates("home.card.live", FRENCH)) == {"home.card.live"}


def test_missing_key_is_an_error() -> None:
    """A key without a sentence raises: it must never reach a screen."""
    with pytest.raises(MissingMessage, match=r"finding\.Z9"):
        translate("finding.Z9", FRENCH)
    assert not load("policy").knows("finding.Z9")
    assert load("policy").knows("finding.O3.open")


def test_missing_argument_is_an_error() -> None:
    """A sentence that lacks an argument raises, and names it."""
    with pytest.raises(MissingMessage, match="device"):
        speak("{device}").translate("k", FRENCH)


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ({"a": "x"}, {}),
        ({"a": "{n}"}, {"a": "{m}"}),
        ({"a": "{n}"}, {"a": "n"}),
        ({"a": ""}, {"a": "x"}),
        ({"a": "{"}, {"a": "{"}),
        ({"a": "{n.__class__}"}, {"a": "{n.__class__}"}),
        ({"a": "{n[0]}"}, {"a": "{n[0]}"}),
        ({"a": "{n!r}"}, {"a": "{n!r}"}),
        ({"a": "{n:>9}"}, {"a": "{n:>9}"}),
        ({"a": "{}"}, {"a": "{}"}),
    ],
)
def test_languages_that_differ_do_not_load(french: dict[str, str], english: dict[str, str]) -> None:
    """A key in one language only, another placeholder or a clever one: the catalogue is refused at start."""
    with pytest.raises(MissingMessage, match="'a'"):
        Catalog({FRENCH: french, ENGLISH: english})


@pytest.mark.parametrize("package", ["policy", "gateway", "admin_api", "ecluse"])
def test_catalogues_of_the_product_load(package: str) -> None:
    """Every package that speaks has the same keys and placeholders in both languages."""
    if not (Path(package) / "locales").is_dir():
        pytest.skip(f"{package} has no sentences")
    assert load(package) is load(package)


def test_instants_are_wall_time_with_offset() -> None:
    """An instant is shown in the hospital's zone; in the doubled hour the offset tells the two apart."""
    catalog = speak("{at}")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    shown = [
        catalog.translate("k", FRENCH, timezone="Europe/Paris", at=first + timedelta(hours=n)) for n in (0, 1)
    ]
    assert shown == ["dimanche 25 octobre 2026 à 02:30 (UTC+2)", "dimanche 25 octobre 2026 à 02:30 (UTC+1)"]
    assert catalog.translate("k", ENGLISH, at=first) == "Sunday 25 October 2026 at 00:30 (UTC)"


@pytest.mark.parametrize(
    ("timezone", "offset"),
    [("Asia/Kathmandu", "UTC+5:45"), ("America/St_Johns", "UTC-3:30"), ("Pacific/Honolulu", "UTC-10")],
)
def test_offsets_of_other_zones(timezone: str, offset: str) -> None:
    """Overseas hospitals read their own offset, minutes included."""
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert f"({offset})" in speak("{at}").translate("k", ENGLISH, timezone=timezone, at=at)


def test_unknown_zone_is_refused() -> None:
    """A time zone that is none is named in the error."""
    with pytest.raises(InvalidInput, match="timezone"):
        speak("{at}").translate("k", FRENCH, timezone="Mars/Olympus", at=datetime(2026, 1, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("length", "french", "english"),
    [
        (timedelta(minutes=10), "10 minutes", "10 minutes"),
        (timedelta(minutes=1), "1 minute", "1 minute"),
        (timedelta(hours=1, minutes=30), "1 heure 30 minutes", "1 hour 30 minutes"),
        (timedelta(seconds=90), "1 minute 30 secondes", "1 minute 30 seconds"),
        (timedelta(0), "0 seconde", "0 seconds"),
        (-timedelta(hours=1), "0 seconde", "0 seconds"),
    ],
)
def test_durations_are_words(length: timedelta, french: str, english: str) -> None:
    """Delays are written out, with the plural of the language."""
    catalog = speak("{n}")
    assert catalog.translate("k", FRENCH, n=length).replace(NBSP, " ") == french
    assert catalog.translate("k", ENGLISH, n=length) == english


def test_collections_are_lists_in_a_stable_order() -> None:
    """Names are joined as a list of the language; what has no order is sorted."""
    catalog = speak("{names}")
    assert catalog.translate("k", FRENCH, names=("maint", "param", "admin")) == "maint, param et admin"
    assert (
        catalog.translate("k", ENGLISH, names=frozenset({Factor.TOTP, Factor.PASSWORD}))
        == "one-time code and password"
    )
    assert catalog.translate("k", ENGLISH, names=()) == ""


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b]0;pwned\x07",
        "line\r\nforged: yes",
        "\u202egnp.exe",
        "a\u200bb",
        "\x9b31m",
        "\x00",
        "\ud800",
        "\u2028",
        "\x7f",
    ],
)
def test_arguments_are_neutralised(hostile: str) -> None:
    """Text from a device or a person cannot move the cursor, break a line or turn the reading round."""
    shown = speak("<{text}>").translate("k", FRENCH, text=hostile)
    assert all(character.isprintable() for character in shown)
    assert "\N{REPLACEMENT CHARACTER}" in shown
    listed = speak("<{text}>").translate("k", FRENCH, text=(hostile, "fine"))
    assert all(character.isprintable() for character in listed)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Alice", "d’Alice"),
        ("Élodie", "d’Élodie"),
        ("irm-2", "d’irm-2"),
        ("Yves", "d’Yves"),
        ("Yann", "de Yann"),
    ],
)
def test_french_elides_before_a_vowel(name: str, shown: str) -> None:
    """« de » and « que » lose their e before a name that begins with a vowel, and in French alone."""
    catalog = speak("La clé de {name}, plus que {name}")
    assert catalog.translate("k", FRENCH, name=name) == f"La clé {shown}, plus qu{shown[1:]}"
    assert "de scan01" in catalog.translate("k", FRENCH, name="scan01")
    assert "de Alice" in catalog.translate("k", ENGLISH, name="Alice")


def test_a_unit_stays_with_its_number() -> None:
    """In French a number is not parted from its unit; a name before « s’est » is no number."""
    said = load("admin_api").templates("problem.reader-locked-out.next", FRENCH)
    assert said["problem.reader-locked-out.next"].startswith(f"Attendez {{seconds}}{NBSP}s. ")
    subject = "mail.recovery-used.referent.subject"
    assert load("admin_api.console").templates(subject, FRENCH)[subject].startswith("{login} s’est servi")


def test_arguments_are_never_templates() -> None:
    """Braces in an argument are text: nothing of the process can be read through them."""
    assert speak("{text}").translate("k", FRENCH, text="{text.__class__} {0}") == "{text.__class__} {0}"


def test_long_arguments_are_cut() -> None:
    """An argument is bounded, and it shows that something was left out."""
    assert neutralise("a" * 200) == "a" * 200
    assert neutralise("a" * 100_000) == "a" * 200 + "…"


def test_accents_stay() -> None:
    """Neutralising leaves ordinary writing alone."""
    assert neutralise("Élodie Œuvrard - 日本 €") == "Élodie Œuvrard - 日本 €"


@pytest.mark.parametrize(
    ("code", "label"),
    [("O3", "PGSSIS-O3"), ("T10", "PGSSIS-T10"), ("A1", "PGSSIS-A1"), ("S35", "S35"), ("X35", "X35")],
)
def test_rules_of_the_guide_carry_its_name(code: str, label: str) -> None:
    """A rule of the PGSSI-S guide is named as people know it; our own numbers stand alone."""
    assert rule_label(code) == label
