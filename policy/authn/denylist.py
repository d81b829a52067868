"""What makes a password predictable: our own short lists, said plainly.

This is not a breach corpus. It holds the stems that French and English passwords are built from (the
heads of the published lists of worst passwords, and a hospital's own words), keyboard rows and runs.
It stops the password that somebody guesses by hand or with a small word list; what bounds guessing for
the rest is the lock-out and the second factor. A password is judged by what is left of it once all
that is predictable is taken away.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

LEAST_UNPREDICTABLE: Final = 6
"""How many characters must remain once stems, runs, years and repeats are taken away."""

LEAST_DISTINCT: Final = 5
"""How many different characters a password needs."""

_STEMS: Final = frozenset(
    """
    password passwort passe motdepasse mdp secret admin administrator administrateur root user utilisateur
    guest invite login welcome bienvenue bonjour salut hello changeme change changer letmein access acces
    default defaut test demo temp temporary temporaire provisoire iloveyou jetaime love amour soleil
    sunshine princess princesse chouchou doudou loulou azerty qwerty qwertz monkey dragon master football
    baseball shadow superman batman starwars pokemon trustno freedom whatever computer ordinateur internet
    samsung windows microsoft google facebook marseille paris lyon bordeaux france french nicolas julien
    thomas camille isabelle michael jennifer charlie jordan hunter summer winter spring autumn printemps
    ete automne hiver january february march april june july august september october november december
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre monday tuesday
    wednesday thursday friday saturday sunday lundi mardi mercredi jeudi vendredi samedi dimanche
    hopital hospital clinique clinic medecin docteur doctor infirmier nurse sante health patient scanner
    radio irm mri imagerie pacs ris dicom chirurgie urgence service support maintenance vendor supplier
    fournisseur technicien technician astreinte bastion ecluse server serveur network reseau system
    correct horse battery staple
    """.split()  # noqa: SIM905 - three hundred quoted words would hide the list
)
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1aq2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm",
    "!@#$%^&*()",
)
_RUN: Final = 4
_RUNS: Final = frozenset(
    line[start : start + _RUN]
    for row in _ROWS
    for line in (row, row[::-1])
    for start in range(len(line) - _RUN + 1)
)
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")
_REPEAT: Final = re.compile(r"(.)\1{2,}")
_LEET: Final = str.maketrans("01345789@$!", "oleastbgasi")
_LEET_I: Final = str.maketrans("01345789@$!", "oieastbgasi")
_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")
_SHORTEST_WORD: Final = 3


def is_predictable(password: str, words: Iterable[str]) -> bool:
    """Tell whether *password* (already NFKC) is built from common stems, runs, years, repeats or *words*.

    *words* are the context an attacker knows: login, names, the hospital. Case, accents and the usual
    letter substitutions (``0`` for ``o``…) do not hide a word.
    """
    return unpredictable(password, words) < LEAST_UNPREDICTABLE


def unpredictable(password: str, words: Iterable[str]) -> int:
    """Return how many characters of *password* are left once all that ``is_predictable`` knows is taken away.

    None at all where it has too few different characters, or is one piece repeated.
    """
    folded = _fold(password)
    if len(set(folded)) < LEAST_DISTINCT or _is_one_piece_repeated(folded):
        return 0
    known = _STEMS | {part for word in words for part in _parts(word)}
    covered = bytearray(len(folded))
    for text in {folded, folded.translate(_LEET), folded.translate(_LEET_I)}:
        for word in known:
            _cover_word(covered, text, word)
    for start in range(len(folded) - _RUN + 1):
        if folded[start : start + _RUN] in _RUNS:
            covered[start : start + _RUN] = b"\1" * _RUN
    for pattern in (_YEAR, _REPEAT):
        for match in pattern.finditer(folded):
            covered[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    return covered.count(0)


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def _parts(word: str) -> set[str]:
    folded = _fold(word)
    parts = {_NOT_ALPHANUMERIC.sub("", folded), *_NOT_ALPHANUMERIC.split(folded)}
    return {part for part in parts if len(part) >= _SHORTEST_WORD}


def _cover_word(covered: bytearray, text: str, word: str) -> None:
    # Signs and spaces between its letters do not hide a word; they are covered with it.
    places = [place for place, character in enumerate(text) if character.isalnum()]
    squeezed = "".join(text[place] for place in places)
    start = squeezed.find(word)
    while start >= 0:
        first, last = places[start], places[start + len(word) - 1]
        covered[first : last + 1] = b"\1" * (last + 1 - first)
        start = squeezed.find(word, start + 1)


def _is_one_piece_repeated(text: str) -> bool:
    return text in (text + text)[1:-1]
