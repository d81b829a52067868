"""What a machine found of itself, as mails, the webhook and the console say it."""

import json
from datetime import UTC, datetime
from email.message import EmailMessage

from admin_api.alarms.webhook import body_of
from admin_api.console.letters import message
from admin_api.selfaudit.words import findings, worded
from policy import i18n
from policy.domain.alarms import Call
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId
from policy.domain.mails import MailKind
from policy.domain.people import Language, Person
from policy.services.mails import Letter

FACTS = {
    "node": "gw-3",
    "new": "1",
    "found": "exposure: something else listens",
    "finding1": json.dumps(["doctor.exposure", "doctor.exposure.more", {"listeners": "0.0.0.0:6379/tcp"}]),
}
VOCABULARY = (i18n.load("ecluse"),)
AT = datetime(2026, 11, 23, tzinfo=UTC)


def letter(language: Language) -> EmailMessage:
    """The mail of that alarm to somebody who reads *language*."""
    here = Hospital(id=HospitalId("h"), name="CH", timezone="Europe/Paris", security_contact="4242")
    reader = Person(
        id=PersonId("p"),
        hospital_id=here.id,
        login="rssi",
        full_name="Renée Vert",
        email="rssi@hopital.example",
        language=language,
        roles=frozenset(),
        supplier_id=None,
        active=True,
    )
    told = {f"fact_{name}": value for name, value in FACTS.items()}
    arguments = {"alarm": "a" * 32, "alarm_kind": "self_audit_findings", "severity": "high", **told}
    made = Letter(
        id="l",
        kind=MailKind.ALARM,
        recipient=reader,
        subject=reader,
        hospital=here,
        at=AT,
        arguments=arguments,
    )
    return message(made, "ecluse@hopital.example", VOCABULARY)


def test_a_mail_tells_it_in_both_languages() -> None:
    """The finding is worded for its recipient and again in the other language; the report's English stands in neither."""
    for language in Language:
        own, other = letter(language).get_content().split("-" * 60)
        french, english = (own, other) if language is Language.FRENCH else (other, own)
        assert "plus que ce que nomment les réglages" in french
        assert "0.0.0.0:6379/tcp" in french
        assert "more than the settings name" in english
        assert FACTS["found"] not in own + other


def test_the_webhook_tells_it_in_both_languages() -> None:
    """Each language of the document has the finding in its own words."""
    alarm = {"kind": "self_audit_findings", "facts": FACTS}
    call = Call(
        id="c",
        hospital_id=HospitalId("h"),
        alarm_id="a",
        event="opened",
        alarm=alarm,
        queued_at=AT,
        expires_at=AT,
        next_try_at=AT,
    )
    told = json.loads(body_of(call, VOCABULARY))["words"]
    assert "plus que ce que nomment les réglages" in told["fr"]["sentence"]
    assert FACTS["found"] not in told["en"]["sentence"]


def test_findings_that_are_left_out_are_counted() -> None:
    """A mail keeps the number as a text; one that is none counts nothing."""
    assert str(findings({**FACTS, "new": "4"}, Language.FRENCH, VOCABULARY)).endswith("(+3)")
    assert "(+" not in str(findings({**FACTS, "new": "many"}, Language.FRENCH, VOCABULARY))


def test_the_reason_is_said_in_french_too() -> None:
    """What the system or another part gave as the reason is no English on a French screen; unknown, it stays."""
    key, place = "doctor.ssh_algorithms.silent", "127.0.0.1:22"
    for english, french in (
        ("Connection refused", "connexion refusée"),
        ("[Errno 13] Permission denied: '/x'", "accès interdit\N{NO-BREAK SPACE}: '/x'"),
        ("no gateway runs on this machine", "aucune passerelle ne tourne sur cette machine"),
        ("something else", "something else"),
    ):
        arguments = {"place": place, "why": english}
        assert french in worded(key, arguments, "?", Language.FRENCH, VOCABULARY)
        assert english in worded(key, arguments, "?", Language.ENGLISH, VOCABULARY)


def test_who_is_missed_is_told_what_to_do_of_the_lock_s_front() -> None:
    """It has no settings that the other command reads: each way out names its own, and what the console's machine does."""
    wordings = {
        "ecluse": (
            "self_audit.silent",
            *(f"doctor.self_audit_of.{how}.remedy" for how in ("never", "late", "overdue")),
        ),
        "admin_api": ("alarm.self_audit_late.act",),
        "admin_api.console.staff": ("self_audits.silent",),
    }
    for catalogue, keys in wordings.items():
        words = i18n.load(catalogue)
        for key in keys:
            for language in Language:
                said = words.translate(key, language, timezone="UTC", machines="front", node="front", days=9)
                assert "ecluse airlock audit" in said, (key, language)
                assert "ecluse self-audit report" in said, (key, language)


def test_the_rights_of_a_gateway_are_compared_where_doctor_looks_at_them() -> None:
    """On a machine without a console ``doctor`` leaves them to the console's: the way out of a refusing catalogue says so."""
    for language, place in (
        (Language.FRENCH, "la machine de la console"),
        (Language.ENGLISH, "the console’s machine"),
    ):
        said = i18n.load("admin_api").translate(
            "alarm.catalogue_refuses.act", language, timezone="UTC", node="gw-3"
        )
        assert place in said.partition(":")[0]
