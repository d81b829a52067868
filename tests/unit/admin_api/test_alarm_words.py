"""An alarm in its reader's language, with what the system, a store or a device gave as the reason."""

import pytest

from admin_api.alarms.words import words
from policy.domain.people import Language


@pytest.mark.parametrize(
    ("kind", "facts", "french"),
    [
        ("journal_altered", {"what": "missing", "entry": "gw1 #12"}, "il manque des entrées, à gw1 #12."),
        (
            "store_altered",
            {"place": "checkpoint", "name": "7", "detail": "checkpoint 7 is missing: 8 follows"},
            "point de contrôle 7 : le point de contrôle 7 manque : 8 le suit",
        ),
        (
            "store_down",
            {
                "node": "gw1",
                "error": 'the bucket t at https://s3 does not answer: Connect timeout on endpoint URL: "https://s3/t"',
            },
            'le bucket t à https://s3 ne répond pas : connexion à "https://s3/t" : pas de réponse à temps',
        ),
        ("recording_failed", {"detail": "[Errno 28] No space left on device"}, "plus de place sur le disque"),
        (
            "flow_refused",
            {"device": "scan01", "detail": "the flow broker answers 'nothing'"},
            "le courtier de flux répond 'nothing'.",
        ),
        ("search_failed", {"why": "timed out"}, "pas de réponse à temps"),
    ],
)
def test_the_reason_is_in_french(kind: str, facts: dict[str, object], french: str) -> None:
    """A French screen tells in French what was touched and why something failed, a cause within a cause too."""
    sentence = words(kind, facts, Language.FRENCH).sentence
    assert sentence.replace("\N{NO-BREAK SPACE}", " ").endswith(french)


def test_a_word_that_is_not_ours_is_told_as_it_is() -> None:
    """What a stranger put where one of our words stands names no other sentence, and is not lost."""
    said = words("journal_altered", {"what": "../title", "entry": "gw1 #12"}, Language.FRENCH)
    assert "../title" in said.sentence
