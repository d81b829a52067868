"""One entry of the journal in one line."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from admin_api.chronicle import doer, gist, lines, object_of
from admin_api.console.staff.chronicle import Reader, tell
from admin_api.console.staff.listing import Registry
from admin_api.sayings import of_both, said
from ecluse.commands.audit import word_of
from ecluse.desk import Desk
from policy import i18n
from policy.domain.holds import Hold
from policy.domain.people import Language
from recorder.audit.entries import JournalEntry
from recorder.audit.events import SecurityEvent

HEX = "3bae2f52c0f14a5f9a1c0f5e4f3a4ac5"
START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


def _entry(**fields: Any) -> dict[str, Any]:
    blank = {"actor": None, "person": None, "device": None, "session_id": None, "source": None}
    return {**blank, "writer": "node1", "seq": 3, "digest": "ab" * 32, "details": {}, **fields}


_VALUES = {"form.live": "in the moment", "answer.True": "yes", "alarm.acknowledged": "taken on"}


def _say(prefix: str, value: object) -> str:
    return {"ended.idle": "inactivity", "fact.by": "by", "window.approved": "approved", **_VALUES}.get(
        f"{prefix}.{value}", str(value)
    )


def test_a_gateway_s_act_is_the_person_s_on_the_device() -> None:
    """What a gateway notes of a session is said of whom it let in, and of where she went."""
    entry = _entry(
        actor="gateway", person="alice", device="scan01", details={"device": "scan01", "reason": "idle"}
    )
    assert (doer(entry), object_of(entry), gist(entry, _say)) == ("alice", "scan01", "inactivity")


def test_what_the_console_does_by_itself_is_no_person_s_act() -> None:
    """Who purged a recording is the console, and never the person who was recorded."""
    entry = _entry(actor="console", person="alice", device="scan01", details={"reason": "erasure"})
    assert (doer(entry), object_of(entry)) == ("console", "scan01")


def test_an_unknown_login_is_still_named() -> None:
    """A failed log-in of nobody we know shows the login that was tried."""
    entry = _entry(details={"login": "mallory", "reason": "unknown", "door": "api"})
    assert (doer(entry), object_of(entry), gist(entry, _say)) == ("mallory", None, "unknown")


def test_of_a_change_the_gist_is_what_became_different() -> None:
    """A planner's change is hers, on the window's first digits; what stayed the same is not repeated."""
    change = {"subject": HEX, "before": {"purpose": "Test", "state": "planned"}}
    entry = _entry(
        actor="denis", details={**change, "after": {"purpose": "Test", "state": "approved", "by": "f" * 32}}
    )
    assert (doer(entry), object_of(entry), gist(entry, _say)) == (
        "denis",
        "3bae2f52",
        "approved, by ffffffff",
    )


def test_one_person_s_act_on_another_names_both() -> None:
    """Who suspended whom: the actor, then the person."""
    entry = _entry(actor="rssi", person="alice", details={"after": {"reason": "Départ"}, "before": {}})
    assert (doer(entry), object_of(entry), gist(entry, _say)) == ("rssi", "alice", "Départ")


def test_how_a_recording_was_read_and_what_an_alarm_became_have_words_too() -> None:
    """A value that only programs know is not left in a sentence for people where there is a word for it."""
    assert gist(_entry(details={"form": "live", "intact": True}), _say) == "form in the moment, intact yes"
    assert gist(_entry(details={"state": "acknowledged"}), _say) == "taken on"


def test_rules_are_called_by_the_name_people_know() -> None:
    """The rules that failed are said by their labels, and not by the keys of their sentences."""
    entry = _entry(details={"failed": ["O3:finding.O3.outside", "C2:finding.C2.undeclared"]})
    assert gist(entry, _say) == "failed PGSSIS-O3, PGSSIS-C2"


def test_every_event_that_the_code_writes_has_its_words() -> None:
    """Each name given to the outbox or the journal is a phrase in both languages."""
    catalog = i18n.load("ecluse")
    given = re.compile(
        r'\bemit\(\s*"([a-z_.]+)"|\b(?:session|person|quietly)\(\s*"([a-z]+\.[a-z_]+)"|"(alarm\.[a-z_]+)"'
    )
    root = Path(__file__).parents[3]
    named = {
        next(filter(None, found))
        for package in ("policy", "gateway", "recorder")
        for path in (root / package).rglob("*.py")
        for found in given.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 60
    assert [name for name in sorted(named) if not catalog.knows(f"event.{name}")] == []


def test_details_hold_all_of_the_entry() -> None:
    """Below an entry stand its place in the chain and each detail, whole, whatever its shape."""
    after = {"keys": ["a", "b"], "none": None, "sites": [{"city": "Lyon"}, {"city": "Brive"}]}
    entry = _entry(session_id=HEX, details={"after": after, "count": 2})
    assert list(lines(entry, _say)) == [
        f"entry: node1 #3 {'ab' * 32}",
        f"session: {HEX}",
        "after · keys: a, b",
        "after · none: –",
        "after · sites · 1 · city: Lyon",
        "after · sites · 2 · city: Brive",
        "count: 2",
    ]


def test_all_that_an_entry_of_a_command_or_a_purge_holds_is_french_in_french() -> None:
    """Names of details, the reason and the rule of a purge, and how a key is guarded; what people typed stays theirs."""
    desk = Desk({}, "fr")

    def word(prefix: str, value: object) -> str | None:
        return said(str(value), Language.FRENCH) if prefix == "said" else desk.word(prefix, value)

    purge = {"reason": "retention", "rule": "recordings are kept 365 days", "fate": "gone", "decided_by": []}
    assert gist(_entry(details=purge), word) == (
        "durée de conservation finie, règle\N{NO-BREAK SPACE}: les enregistrements sont gardés 365 jours, "
        "sort\N{NO-BREAK SPACE}: détruit, l’attestation reste"
    )
    erasure = {"reason": "erasure", "rule": "tiers filmé"}
    assert (
        gist(_entry(details=erasure), word)
        == "sur décision de deux personnes, règle\N{NO-BREAK SPACE}: tiers filmé"
    )
    made = _entry(details={"name": "rssi-2027", "guard": "token", "private": None})
    assert list(lines(made, word, colon=desk.colon))[1:] == [
        "nom : rssi-2027",
        f"protection : {desk.say('guard.token')}",
        "moitié privée : –",
    ]


WRITERS = {"SecurityEvent", "_journal", "_note", "_tell", "journalled", "note"}
"""What is called to have something written into the journal."""


def _given(source: str) -> Iterator[str]:
    """Give the names of the details that a module hands to the journal, as far as they stand there by themselves."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in WRITERS]
    inside = [one for call in calls for one in ast.walk(call)]
    variables = {one.id for one in inside if isinstance(one, ast.Name)}
    made = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target) in variables
    ]
    for one in [*inside, *made]:
        if isinstance(one, ast.Dict):
            yield from (str(key.value) for key in one.keys if isinstance(key, ast.Constant))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_detail_that_the_code_writes_has_its_name() -> None:
    """What processes and commands tell the journal is named in both languages, also below the entry's line."""
    catalog, root = i18n.load("ecluse"), Path(__file__).parents[3]
    named = {
        name
        for package in ("admin_api", "ecluse", "gateway", "recorder")
        for path in (root / package).rglob("*.py")
        if path.name != "db.py"  # its notes are for the screen alone
        for name in _given(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 50
    assert [name for name in sorted(named) if not catalog.knows(f"fact.{name}")] == []


def test_numbers_and_beginnings_are_named_in_french() -> None:
    """What a verification counted, from when a session was followed, and how grave an alarm was, hold no English."""
    details = {"from": "now", "count": 3, "facts": {"a": 1}, "closed_uncovered": 4, "severity": "high"}
    desk = Desk({}, "fr")
    assert gist(_entry(details=details), desk.word) == (
        "depuis maintenant, nombre\N{NO-BREAK SPACE}: 3, faits\N{NO-BREAK SPACE}: (a 1), "
        f"closes depuis le dernier point de contrôle\N{NO-BREAK SPACE}: 4, gravité\N{NO-BREAK SPACE}: {desk.say('severity.high')}"
    )


def test_a_detail_that_holds_others_names_them_in_the_reader_s_language() -> None:
    """No line of the journal's list shows a list or an object as programs write them, nor the value that only they know."""
    desk = Desk({}, "fr")
    word = partial(word_of, desk)
    cut = {"gateways": [{"node": "node1", "seconds": 0.22}, {"node": "node2", "seconds": None}]}
    assert gist(_entry(details=cut), word).replace("\N{NO-BREAK SPACE}", " ") == (
        "passerelles (nœud node1, secondes : 0.22), (nœud node2)"
    )
    task = {"kind": "fetch-host-keys", "method": "password", "detail": "Clés lues : 1. / Keys read: 1."}
    assert gist(_entry(name="task.finished", details=task), word).replace("’", "'") == (
        "genre lire les clés d'hôte, méthode mot de passe, détail Clés lues : 1."
    )
    assert gist(_entry(details={"algorithms": {"kex": [], "mac": []}, "kind": "charter"}), word).replace(
        "’", "'"
    ) == ("genre Charte d'accès à distance")
    login = {"reason": "wrong-code", "channels": ["shell", "exec"]}
    assert gist(_entry(details=login), word) == "code faux, canaux terminal, commandes"
    assert gist(_entry(details={"state": "requested"}), word) == desk.say("intervention.requested")
    assert gist(_entry(details={"label": "log-in"}), word) == "intitulé connexion"
    assert (
        gist(_entry(details={"placed_at": "2026-11-23"}), word)
        == f"{desk.say('detail.placed_at')} 2026-11-23"
    )


def test_what_a_device_said_is_told_whole() -> None:
    """A stroke in a device's own words hides nothing in either language, in the list, the details and the command; a task's result has two."""
    said_there = "x / closed normally at the hospital's request"
    told = "Clés lues : 1. / Keys read: 1."
    nobody = Registry(people={}, suppliers={}, devices={})
    for language in Language:
        word = partial(word_of, Desk({}, language))
        reader = Reader(language=language, timezone="Europe/Paris", vocabulary=(i18n.load("ecluse"),))
        for name, details, whole in (
            ("device.failed", {"error": "DeviceUnreachable", "detail": said_there}, said_there),
            ("task.finished", {"before": {}, "after": {"detail": told}}, of_both(told, language)),
        ):
            entry = _entry(name=name, details=details)
            assert gist(entry, word).endswith(f" {whole}")
            assert list(lines(entry, word))[-1].endswith(f": {whole}")
            event = SecurityEvent(name=name, hospital_id=HEX, at=START, actor="gateway", details=details)
            kept = JournalEntry(writer="node1", seq=3, previous="", event=event)
            shown = tell(kept, reader, nobody)
            assert shown.gist.endswith(f" {whole}")
            assert shown.lines[-1].endswith(f": {whole}")


def test_what_is_known_of_a_hold_is_named_in_both_languages() -> None:
    """A hold's entry holds each of its fields, and none by the program's own word."""
    known = i18n.load("ecluse")
    called = [one.name for one in dataclasses.fields(Hold)]
    assert [
        one for one in called if not known.knows(f"fact.{one}") and not known.knows(f"detail.{one}")
    ] == []
