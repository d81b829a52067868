"""The errors of this machine's own commands, put into words."""

import ast
import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ecluse.errors import MachineError, SettingsError, StoreError
from ecluse.wording import detail, detailed, spoken, usage
from embedded.patience import failure
from policy import i18n
from policy.domain.people import Language
from policy.errors import InvalidInput, KeyMissing, NotFound, PolicyUnavailable, VaultError
from policy.vault.keyring import Keyring
from recorder.errors import CatalogUnavailable, SignatureInvalid
from recorder.seal.signing import PublicKey, SigningKey
from tests.support.installed import ecluse

ROOT = Path(__file__).resolve().parents[3]
ERRORS = {"SettingsError", "InstallationError", "StartError", "MachineError", "DemoError"}
SILENT = OperationalError("connect", None, TimeoutError())


def first_arguments(*names: str) -> Iterator[ast.expr]:
    """The first argument of every call of one of these *names* in this package."""
    for path in (ROOT / "ecluse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
                if name in names:
                    yield node.args[0]


def texts(expression: ast.expr) -> Iterator[str]:
    """Every constant text in *expression*."""
    for part in ast.walk(expression):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def test_every_error_has_its_sentence() -> None:
    """Each key that an error names is in both catalogues."""
    catalog = i18n.load("ecluse")
    found = {key for first in first_arguments(*ERRORS) for key in texts(first)}
    assert len(found) > 35
    assert [key for key in sorted(found) if not catalog.knows(key)] == []


def test_what_is_refused_of_a_value_has_its_french() -> None:
    """Each such sentence is a whole one of the catalogue: of "write {forms}" alone, half would stay English."""
    known = set(i18n.load("ecluse").templates("asked.", Language.ENGLISH).values())
    found = {
        text
        for first in first_arguments("BadParameter")
        if isinstance(first, ast.Constant)
        for text in texts(first)
        if " " in text
    } | {
        text
        for node in ast.walk(ast.parse((ROOT / "ecluse/planning.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for text in map(str, (one.value for one in node.args if isinstance(one, ast.Constant)))
        if text.startswith("write ")
    }
    assert len(found) > 10
    assert found - known == set()


def test_faults_found_together_are_said_each_on_its_line() -> None:
    """One error stands for all of them, and its text is the English one, for logs."""
    faults = [SettingsError("settings.at_most", file="f", setting=key, le=9) for key in ("a.b", "c.d")]
    raised = SettingsError.together(faults)
    assert raised.faults == tuple(faults)
    assert str(raised) == "f: a.b: write at most 9.\nf: c.d: write at most 9."
    assert [fault.said("fr").split()[2] for fault in raised.faults] == ["a.b", "c.d"]


@pytest.mark.parametrize(
    ("error", "key", "french"),
    [
        (
            PolicyUnavailable("the policy database cannot be used: OperationalError"),
            "machine.database",
            "La base de la politique est inutilisable : OperationalError. «",
        ),
        (
            PolicyUnavailable(f"the policy database {failure(TimeoutError(), time.monotonic() - 5)}"),
            "machine.database",
            "La base de la politique n’a pas répondu en 5 s : vérifiez que son serveur tourne",
        ),
        (
            CatalogUnavailable(f"the trace database {failure(SILENT, time.monotonic())}"),
            "machine.database",
            "La base des traces n’a pas répondu en 1 s : vérifiez que son serveur tourne",
        ),
        (
            CatalogUnavailable("the trace database cannot be used: OSError"),
            "machine.database",
            "La base des traces est inutilisable : OSError. «",
        ),
        (
            CatalogUnavailable("the trace database does not answer in time"),
            "machine.database",
            "La base des traces ne répond pas à temps",
        ),
        (
            KeyMissing("/k/current is missing; restore it from the keyring's backup"),
            "machine.keyring",
            "/k/current manque ; restaurez-le",
        ),
        (
            SignatureInvalid("/k holds no unencrypted private key in PEM"),
            "machine.signing_key",
            "/k ne contient pas de clé privée",
        ),
        (InvalidInput("name", "must not be empty"), "machine.refused_value", "name : "),
        (NotFound("hospital", "h1"), "machine.other_hospital", "l’hôpital h1"),
    ],
)
def test_an_error_of_a_package_below_is_said_in_french(error: Exception, key: str, french: str) -> None:
    """Each kind has its own sentence, and the detail that comes in English is put into French."""
    told = spoken(error, "fr")
    assert told.key == key
    assert french in told.said("fr").replace("\N{NO-BREAK SPACE}", " ")


def test_what_is_unknown_stays_as_it_came() -> None:
    """A detail that is none of the known sentences is shown as it is; our own errors pass through, each in its language."""
    refused = StoreError("db.unreachable", why="x")
    assert detailed({"why": refused, "path": "p"}, "fr") == {"why": refused.said("fr"), "path": "p"}
    assert refused.said("fr") != str(refused)
    assert usage("something else altogether", "fr") == "something else altogether"
    assert detail("something else altogether", "fr") == "something else altogether"
    own = MachineError("machine.failed", why="x")
    assert spoken(own, "fr") is own


def refusal(ring_at: Path) -> str:
    """What the keyring says when it does not load."""
    with pytest.raises(VaultError) as refused:
        Keyring.load(ring_at)
    return str(refused.value)


def test_the_vault_s_and_the_recorder_s_real_complaints_are_known(tmp_path: Path) -> None:
    """What the keyring and the signing key really say of an open, damaged or missing file comes out in French."""
    ring_at = tmp_path / "ring"
    key = ring_at / f"{Keyring.generate(ring_at).current}.key"
    said = []
    key.chmod(0o644)
    said.append(refusal(ring_at))
    key.chmod(0o600)
    key.write_text("!")
    said.append(refusal(ring_at))
    key.unlink()
    said.append(refusal(ring_at))
    assert [one for one in said if detail(one, "fr") == one] == []
    pem = tmp_path / "pem"
    for content, mode in (("x", 0o644), ("x", 0o600)):
        pem.write_text(content)
        pem.chmod(mode)
        with pytest.raises(SignatureInvalid) as invalid:
            SigningKey.load(pem)
        assert detail(str(invalid.value), "fr") != str(invalid.value)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("windows", "lst"), "Commande inconnue : 'lst'"),
        (("nothing",), "Commande inconnue : 'nothing'"),
        (("devices", "show"), "Il manque l’argument 'name'"),
        (("devices", "show", "a", "b"), "Argument en trop : b"),
        (("devices", "show", "--no-such"), "Option inconnue : --no-such"),
        (("interventions", "add"), "Il manque l’option"),
        (("audit", "list", "--limit", "x"), "Valeur refusée pour '--limit' : écrivez un nombre entier"),
        (("audit", "list", "--limit", "0"), "Valeur refusée pour '--limit' : écrivez au moins 1"),
        (("devices", "update", "scan01", "--group", "a", "--no-group"), "donnez l’un d’eux"),
        (("traces", "replay", "d4d4", "--speed", "abc"), "'--speed' : écrivez un nombre, tel que"),
        (
            ("sessions", "watch", "8c", "--reason", "x", "--from", "z"),
            "'--from' : 'z' n’est pas l’un de 'now', 'start'",
        ),
    ],
    ids=" ".join,
)
def test_what_was_typed_wrongly_is_said_in_french_with_the_same_exit_code(
    typed: tuple[str, ...], told: str
) -> None:
    """The parser's own errors are French under ``--lang fr`` and English otherwise; both end with 2."""
    done = {language: ecluse(*typed, language=language) for language in ("fr", "en")}
    assert [one.exit_code for one in done.values()] == [2, 2]
    french = " ".join(re.sub(r"[│\N{NO-BREAK SPACE}]", " ", done["fr"].stderr).split())
    assert told in french
    assert told not in done["en"].stderr


def test_what_the_system_said_of_a_file_is_french_too() -> None:
    """What the system says is in no catalogue of ours but by its sentence, wherever it stands in another one."""
    said = [os.strerror(number) for number in (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EADDRINUSE)]
    assert [one for one in said if detail(one, "fr") == one] == []
    assert (
        SettingsError("settings.unreadable", path="/nope", why=said[0])
        .said("fr")
        .endswith("(aucun fichier ni répertoire de ce nom).")
    )
    with pytest.raises(SignatureInvalid) as refused:
        PublicKey.load(Path("/nope/key"))
    assert "répertoire de ce nom" in detail(str(refused.value), "fr")


def test_a_key_that_cannot_be_read_is_not_the_trace_s_fault(tmp_path: Path) -> None:
    """Where the public key cannot be read, nothing was verified, and the sentence does not speak of the trace."""
    done = ecluse("traces", "verify", str(tmp_path), "--public-key", "/nope/key", language="fr")
    assert done.exit_code == 1
    assert "Rien n’a été vérifié : la clé publique /nope/key" in done.stderr.replace(
        "\N{NO-BREAK SPACE}", " "
    )
