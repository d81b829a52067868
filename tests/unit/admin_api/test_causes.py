"""The table of alarms: which entries are one, and that each has its words."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.alarms.causes import CAUSES, KINDS, MUTABLE, OTHER, Thresholds, sightings
from admin_api.alarms.words import words
from policy import i18n
from policy.domain.alarms import Severity, Sighting
from policy.domain.people import Language
from recorder.audit.events import SecurityEvent

HOSPITAL = "a" * 32
START = datetime(2026, 11, 23, 6, tzinfo=UTC)
DEFAULTS = Thresholds()


def event(name: str, details: dict[str, Any] | None = None, minute: int = 0, **more: Any) -> SecurityEvent:
    """An entry of the journal."""
    at = START + timedelta(minutes=minute)
    return SecurityEvent(name=name, hospital_id=HOSPITAL, at=at, details=details or {}, **more)


def kinds(one: SecurityEvent, set_by: Thresholds = DEFAULTS) -> list[str]:
    """The kinds of alarm that one entry is a sighting of, whatever else is needed."""
    return [sighting.kind for sighting in sightings(one, set_by)]


def undeclared(*failed: str) -> dict[str, Any]:
    """What the gateway writes of a refusal."""
    return {"device": "scan01", "failed": list(failed)}


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (event("authentication.locked", {"login": "alice"}, source="192.0.2.9"), "lockout"),
        (
            event("access.denied", undeclared("O3:finding.O3.ended", "C2:finding.C2.undeclared")),
            "unknown_source",
        ),
        (event("access.denied", undeclared("O3:finding.O3.ended")), None),
        (event("access.denied", {"failed": "C2:finding.C2.undeclared"}), None),
        (event("device.host_key_changed", device_id="d" * 32), "host_key_changed"),
        (event("device.failed", {"error": "SecretRefused"}, device_id="d" * 32), "secret_refused"),
        (event("device.failed", {"error": "FlowRefused"}, device_id="d" * 32), "flow_refused"),
        (event("device.failed", {"error": "DeviceUnreachable"}, device_id="d" * 32), None),
        (event("trace.verified", {"intact": False}), "trace_altered"),
        (event("trace.verified", {"intact": True}), None),
        (event("journal.verified", {"intact": False}), "journal_altered"),
        (event("alarm.unseen_input", {"lines": 1}, session_id="s" * 32), "unseen_input"),
        (event("session.moved", {"bytes_out": 1, "files_out": 0}), "volume_out"),
        (event("session.closed", {"reason": "left"}), None),
        (event("session.end_corrected", {"reason": "left", "bytes_out": 1}), "volume_out"),
        (event("alarm.something_new", {"node": "gw-1"}), OTHER),
        (event("alarm.opened", {"after": {}}), None),
        (event("alarm.acknowledged", {"after": {}}), None),
        (event("alarm.closed", {"after": {}}), None),
        (event("mail.abandoned", {"after": {"kind": "alarm", "reason": "refused"}}), "mail_undelivered"),
        (event("session.opened"), None),
        (event("alarm.spool_filling", {"node": "gw-1", "percent": 83}), "spool_filling"),
        (event("hospital.closed", {"after": {"by": "Rosa Simon", "reason": "Attaque"}}), "general_cut"),
        (event("hospital.updated", {"after": {"reason": "Attaque"}}), None),
        (event("alarm.store_unreachable", {"node": "gw-1"}), "store_down"),
        (event("alarm.store_unreachable", {"kind": "CatalogUnavailable"}), "catalogue_down"),
        (event("alarm.store_unreachable", {"kind": "CatalogRefuses"}), "catalogue_refuses"),
    ],
)
def test_an_entry_is_a_sighting_of_its_cause_and_of_no_other(one: SecurityEvent, kind: str | None) -> None:
    """Each named cause is seen in the entry that tells of it; what is nobody's business is none."""
    assert kinds(one) == ([] if kind is None else [kind])


def test_a_failed_log_in_counts_for_its_address_and_for_all() -> None:
    """Guessing from one address, and from very many at once, are two causes."""
    found = kinds(event("authentication.failed", {"login": "root"}, source="192.0.2.9"))
    assert found == ["failed_logins", "scattered_logins"]


def test_technicians_of_one_supplier_are_one_cause() -> None:
    """One that has moved is called once; where the entry names no supplier, each person is a cause."""
    told = undeclared("C2:finding.C2.undeclared")
    by_supplier, by_person = [
        {
            one.key
            for who in "ab"
            for one in sightings(event("access.denied", details, person_id=who), DEFAULTS)
        }
        for details in ({**told, "supplier": "Imagix"}, told)
    ]
    assert (by_supplier, by_person) == ({"Imagix"}, {"a", "b"})


def test_one_of_many_says_so() -> None:
    """An alarm that stands for further causes is no other's sentence."""
    for language in Language:
        alone, among = (words("lockout", facts, language).sentence for facts in ({}, {"further": True}))
        assert among.startswith(alone)
        assert len(among) > len(alone)


def test_hostile_details_are_kept_from_the_table() -> None:
    """Details of any shape raise no error, whatever row looks at them."""
    shapes: tuple[Any, ...] = (None, [], [[]], {}, "x", 3, -1, True, {"after": None}, {"after": []})
    for value in shapes:
        for name in {cause.event for cause in CAUSES}:
            names = ("failed", "intact", "error", "bytes_out", "files_out", "after", "node")
            list(sightings(event(name, dict.fromkeys(names, value)), DEFAULTS))


def test_every_kind_has_its_words_in_both_languages() -> None:
    """Title, sentence and act are there, differ by language, and leave no placeholder open."""
    for kind in KINDS:
        french, english = (words(kind, {}, language) for language in (Language.FRENCH, Language.ENGLISH))
        for ours, theirs in zip(
            (french.title, french.sentence, french.act),
            (english.title, english.sentence, english.act),
            strict=True,
        ):
            assert ours != theirs
            assert "{" not in ours + theirs
    assert words("of a later version", {}, Language.ENGLISH) == words(OTHER, {}, Language.ENGLISH)


@pytest.mark.parametrize(
    "kept",
    [
        "x",
        [1],
        "[" * 100_000,
        '["doctor.exposure","doctor.exposure.more",{}]',
        '["doctor.exposure","doctor.exposure.more",[]]',
        '["login.done","doctor.exposure",{"path":"x"}]',
    ],
    ids=range(6),
)
def test_findings_of_another_form_are_told_as_they_came(kept: object) -> None:
    """What a stranger wrote into the journal for findings picks no sentence of ours, and breaks no page."""
    facts = {"node": "gw-3", "found": "told in English", "finding1": kept, "new": 1}
    told = words("self_audit_findings", facts, Language.FRENCH, [i18n.load("ecluse")]).sentence
    assert told.endswith("told in English")


def test_what_a_stranger_named_is_shown_and_does_nothing() -> None:
    """Control characters and braces in facts are data."""
    said = words("lockout", {"login": "\x1b]0;x\x07{source}", "source": "192.0.2.1"}, Language.ENGLISH)
    assert "\x1b" not in said.sentence
    assert "{source}" in said.sentence


@pytest.mark.parametrize("size", [3 << 30, str(3 << 30)])
def test_a_volume_is_told_in_units_that_people_read(size: object) -> None:
    """In the list as in a mail, whose facts are texts."""
    said = words("volume_out", {"device": "scan01", "bytes_out": size, "files_out": 2}, Language.ENGLISH)
    assert "3072 MiB, and in files: 2" in said.sentence


def test_a_hospital_mutes_what_is_not_critical() -> None:
    """A muted kind is not seen; a critical one is, even if somebody could name it."""
    muted = Thresholds(muted=frozenset({"lockout", "host_key_changed"}))
    assert kinds(event("authentication.locked", source="192.0.2.9"), muted) == []
    assert kinds(event("device.host_key_changed"), muted) == ["host_key_changed"]
    assert {cause.kind for cause in CAUSES if cause.severity is Severity.CRITICAL}.isdisjoint(MUTABLE)


def raised(events: Iterator[SecurityEvent]) -> set[tuple[str, str]]:
    """The causes that would be alarms, each counted as the register counts."""
    totals: dict[str, int] = defaultdict(int)
    found = set()
    for one in events:
        for sighting in sightings(one, DEFAULTS):
            if _reached(sighting, totals):
                found.add((sighting.kind, sighting.key))
    return found


def _reached(sighting: Sighting, totals: dict[str, int]) -> bool:
    for tally in sighting.tallies:
        totals[tally.name] += tally.amount
    return not sighting.tallies or any(totals[tally.name] >= tally.limit for tally in sighting.tallies)


def test_an_attack_is_one_cause_each() -> None:
    """Guessing from one address, an exfiltration and a hidden dialogue are each one alarm."""

    def attacked() -> Iterator[SecurityEvent]:
        for number in range(199):
            yield event("authentication.failed", {"login": f"u{number}"}, 1, source="203.0.113.5")
        taken = {"session_id": "e" * 32, "device_id": "f" * 32}
        for _ in range(12):
            yield event("session.moved", {"bytes_out": 256 << 20, "files_out": 0}, 2, **taken)
        for line in range(30):
            yield event("alarm.unseen_input", {"lines": line}, 3, session_id="e" * 32)

    assert raised(attacked()) == {
        ("failed_logins", "203.0.113.5"),
        ("volume_out", "f" * 32),
        ("unseen_input", "e" * 32),
    }


def test_the_page_for_the_security_staff_has_every_alarm_in_both_languages() -> None:
    """An alarm that comes by mail at night is found in the page."""
    page = (Path(__file__).resolve().parents[3] / "docs/security-staff.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if page.count(f"| `{kind}` |") != 2] == []


@pytest.mark.parametrize("name", ["authentication.failed", "authentication.locked"])
def test_a_stranger_with_a_network_of_addresses_is_one_cause(name: str) -> None:
    """Of IPv6 one machine has 2^64 addresses: she raises one alarm by them, and is counted as one."""
    found = [
        next(sightings(event(name, source=source), DEFAULTS)) for source in ("2001:db8::1", "2001:db8::2:3")
    ]
    assert len({one.key for one in found}) == 1
    assert len({tally.name for one in found for tally in one.tallies}) <= 1
    other = next(sightings(event(name, source="2001:db8:0:1::1"), DEFAULTS))
    assert other.key != found[0].key


def test_whatever_is_an_alarm_has_words_in_the_journal() -> None:
    """No list of the journal shows the bare name of an entry that is an alarm."""
    words = i18n.load("ecluse")
    assert [cause.event for cause in CAUSES if not words.knows(f"event.{cause.event}")] == []


@pytest.mark.parametrize(
    ("days", "found", "over"),
    [
        (0, {}, [True]),
        (2, {}, [True]),
        (4, {}, []),
        (-1, {}, []),
        (4, {"refused": ["10.20.4.7:22"]}, [False]),
        (0, {"missing": ["192.0.2.10:22"]}, []),
    ],
)
def test_a_clean_probe_of_these_days_alone_ends_an_alarm(
    days: int, found: dict[str, Any], over: list[bool]
) -> None:
    """One that somebody kept, or dated ahead, ends nothing; a way around is an alarm however old its probe."""
    told = {"vantage": "lyon", "probed_at": (START - timedelta(days=days)).isoformat(), **found}
    assert [one.over for one in sightings(event("flows.probed", told), DEFAULTS)] == over
