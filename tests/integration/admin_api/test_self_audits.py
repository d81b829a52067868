"""Self-audits behind the real API and console: listed, shown, handed over, alarmed, and refused where nobody signed them."""

import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from admin_api.console.staff import selfaudits as staff_selfaudits
from admin_api.registered_keys import RegisteredKeys
from admin_api.selfaudit import history
from admin_api.selfaudit import lateness as lateness_of
from admin_api.selfaudit.history import LONGEST, MADE, facts
from admin_api.selfaudit.lateness import LATE, AuditLateness
from admin_api.selfaudit.report import Outcome, Report
from admin_api.v1 import selfaudits as v1_selfaudits
from ecluse.diagnosis.symptom import Level
from ecluse.selfaudit import tls
from ecluse.selfaudit.conduct import PARTS
from policy import i18n
from recorder.audit.events import SecurityEvent
from recorder.seal.signing import SigningKey, generate_key
from tests.support.api_house import House
from tests.support.console import look_at, session_of, signed_in
from tests.support.own_machine import Desk
from tests.support.self_audits import EXPOSED, check, keep, report

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def later(house: House) -> None:
    """Each test begins on a day of its own, and no machine has a key."""
    house.clock.advance(timedelta(days=1))
    for node in house.context.auditors.machines.names():
        house.context.auditors.machines.place(node).unlink()


def alarms(house: House, *kinds: str) -> list[tuple[str, bool, str]]:
    """Have alarms raised by what the journal holds; of *kinds*, return which, whether it is over, and what it says."""
    house.ingest_all()

    async def work() -> None:
        belief = Belief(house.context.auditors, RegisteredKeys(house.directory / "probes"))
        console = AlarmWatch(
            house.world.services, house.feed, house.world.id, Thresholds(), house.clock, belief=belief
        )
        while await console.step():
            pass

    house.run(work())
    return [
        (one["kind"], one["over_at"] is not None, one["sentence"])
        for one in shown_alarms(house)
        if one["kind"] in kinds
    ]


def shown_alarms(house: House) -> list[dict[str, Any]]:
    """All alarms, as the API shows them."""
    with house.client("rssi") as client:
        items: list[dict[str, Any]] = client.get("/v1/alarms", params={"state": "all", "limit": 500}).json()[
            "items"
        ]
    return items


def test_without_an_audit_rule_t4_is_not_held(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """API, command and screen say so, and what to do; a planner's or technician's token sees nothing of it."""
    *_, rssi = desks
    assert rssi.json("self-audit", "list")["overdue"] is True
    done = rssi.run("self-audit", "list")
    assert "ecluse self-audit run" in done.stdout
    assert "T4" in done.stderr
    with signed_in(house, "rssi") as client:
        assert "rule PGSSIS-T4 is not held" in client.get("/console/self-audits").text
    with house.client("alice") as client:
        assert client.get("/v1/self-audits").status_code == 403


def test_an_audit_is_listed_shown_and_handed_over(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """The command and the screen show the findings first, each with its next step; what is saved verifies by its key."""
    *_, rssi = desks
    made = report(house, EXPOSED)
    document = keep(house, made)
    [newest, *_] = rssi.json("self-audit", "list")["items"]
    assert (newest["id"], newest["outcome"], newest["failures"]) == (made.id, "failed", 1)
    saved = tmp_path / "audit.json"
    shown = rssi.run("self-audit", "show", "--save", str(saved)).stdout
    assert "0.0.0.0:6379/tcp" in shown
    assert "self_audit.listens" in shown, "what to do next"
    assert saved.read_bytes() == document
    assert Report.opened(document, house.proofs.keys)[0] == made
    with signed_in(house, "dsi", "fr") as client:
        listed = client.get("/console/self-audits").text.partition("<main")[2]
        assert f"/console/self-audits/{made.id}" in listed
        assert "La règle PGSSIS-T4 est tenue" in listed
        page = client.get(f"/console/self-audits/{made.id}").text.partition("<main")[2]
        assert "plus que ce que nomment les réglages" in page
        assert "0.0.0.0:6379/tcp" in page
        assert page.index("6379") < page.index("3 ms"), "what must be mended comes first"
        answer = client.get(f"/console/self-audits/{made.id}/report")
        assert answer.content == document
        assert "attachment" in answer.headers["Content-Disposition"]
        assert client.get("/console/self-audits/none").status_code == 404


def test_a_sentence_that_this_version_lacks_is_shown_as_the_report_has_it(house: House) -> None:
    """A finding of another version is read in its own English; what it names does nothing to the page."""
    made = report(house, check("doctor.later.<b>", Outcome.FAILED, language="xx"))
    keep(house, made)
    with signed_in(house, "rssi", "fr") as client:
        page = client.get(f"/console/self-audits/{made.id}").text
    assert "sentence of doctor.later.&lt;b&gt;" in page
    assert "doctor.later.<b>" not in page


def test_twelve_months_later_the_rule_is_broken(house: House) -> None:
    """At twelve months it is held; at thirteen the screen and the API say that it is not."""
    keep(house, report(house))

    def overdue() -> bool:
        with house.client("rssi") as client:
            return bool(client.get("/v1/self-audits").json()["overdue"])

    house.clock.advance(LONGEST - timedelta(days=1))
    assert overdue() is False
    house.clock.advance(timedelta(days=30))
    assert overdue() is True


def test_one_silent_machine_breaks_the_rule_whatever_others_do(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last audit is found below all newer ones of other machines: it is not silent, and after a year it is overdue."""
    for module in (v1_selfaudits, staff_selfaudits):
        monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(lateness_of, "_LOOKED_AT", 1)
    key = registered(house, tmp_path, "gw-5")
    house.clock.advance(timedelta(days=10))
    keep(house, report(house, node="gw-5"), key=key)
    lateness = AuditLateness(house.context, house.world.id, "node1", timedelta(days=370))

    def told() -> tuple[bool, bool]:
        with house.client("rssi") as client:
            found = client.get("/v1/self-audits").json()
        return found["overdue"], "gw-5" in found["silent"]

    house.clock.advance(LONGEST - timedelta(days=1))
    keep(house, report(house))
    assert told() == (False, False)
    house.clock.advance(timedelta(days=2))
    keep(house, report(house))
    assert told() == (True, False)
    assert house.run(lateness.look()) == []
    house.clock.advance(timedelta(days=5))
    keep(house, report(house))
    assert "gw-5" in house.run(lateness.look())
    with signed_in(house, "rssi") as client:
        assert "rule PGSSIS-T4 is not held" in client.get("/console/self-audits").text


def test_a_new_finding_is_an_alarm_and_a_known_one_is_not(house: House) -> None:
    """It is raised once with its words, not again for what is known, and over once nothing is to be mended."""
    audits = partial(report, house, node="gw-3")

    def told() -> list[tuple[bool, str]]:
        return [(over, words) for _, over, words in alarms(house, "self_audit_findings") if "gw-3" in words]

    first = audits()
    keep(house, first)
    assert told() == []
    house.clock.advance(timedelta(days=1))
    second = audits(EXPOSED)
    keep(house, second, before=first)
    [(over, sentence)] = told()
    assert over is False
    assert "0.0.0.0:6379/tcp" in sentence
    assert EXPOSED.sentence not in sentence, "it is told in the reader's language"
    with signed_in(house, "rssi", "fr") as client:
        [alarm] = [one["id"] for one in shown_alarms(house) if "gw-3" in one["sentence"]]
        page = client.get(f"/console/alarms/{alarm}").text.partition("<main")[2]
        assert "plus que ce que nomment les réglages" in page
        assert EXPOSED.finding not in page
    house.clock.advance(timedelta(days=1))
    third = audits(EXPOSED)
    assert facts(third, third.signed(house.proofs.notary.key), second)["new"] == 0
    keep(house, third, before=second)
    assert [over for over, _ in told()] == [False]
    house.clock.advance(timedelta(days=1))
    keep(house, audits(), before=third)
    assert [over for over, _ in told()] == [True]


def test_a_machine_that_audits_itself_no_more_is_an_alarm_once(house: House) -> None:
    """After three days it is told, once a machine, and over with the next audit; another machine's audit ends nothing."""
    keep(house, report(house, node="gw-9"))
    lateness = AuditLateness(house.context, house.world.id, "node1", timedelta(days=3))
    house.clock.advance(timedelta(days=2))
    keep(house, report(house))
    assert "gw-9" not in house.run(lateness.look())
    house.clock.advance(timedelta(days=2))
    assert house.run(lateness.look()) == ["gw-9"]
    assert house.run(lateness.look()) == []
    [(_, over, sentence)] = [one for one in alarms(house, "self_audit_late") if "gw-9" in one[2]]
    assert over is False
    house.clock.advance(timedelta(hours=1))
    keep(house, report(house))
    assert [over for _, over, told in alarms(house, "self_audit_late") if told == sentence] == [False]
    keep(house, report(house, node="gw-9"))
    assert [over for _, over, told in alarms(house, "self_audit_late") if told == sentence] == [True]


def test_a_warning_from_a_day_to_come_silences_none(house: House) -> None:
    """The gateway writes into the journal too, and dates what it writes: a machine is late all the same."""
    keep(house, report(house, node="gw-8"))
    event = SecurityEvent(
        name=LATE,
        hospital_id=house.world.id,
        at=house.clock.now() + timedelta(days=9000),
        actor="gateway",
        details={"node": "gw-8"},
    )
    house.run(house.context.journal.append(event))
    lateness = AuditLateness(house.context, house.world.id, "node1", timedelta(days=3))
    house.clock.advance(timedelta(days=4))
    assert "gw-8" in house.run(lateness.look())
    assert "gw-8" not in house.run(lateness.look())


def test_what_nobody_signed_takes_the_place_of_no_audit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of it stands above a true one in the journal; a few are shown, for they are a finding themselves."""
    keep(house, report(house, node="gw-7"))
    monkeypatch.setattr(history, "_PAGE", 2)
    monkeypatch.setattr(history, "_UNBELIEVED", 3)
    house.clock.advance(timedelta(minutes=1))
    for _ in range(5):
        house.run(house.proofs.note(history.MADE, "gateway", {"node": "gw-7", "report": "clean"}))
    kept = house.run(history.kept(house.context.journal, house.world.id, house.context.auditors, most=1))
    assert [one.report and one.report.node for one in kept] == [None, None, None, "gw-7"]


def registered(house: House, tmp_path: Path, node: str) -> SigningKey:
    """The key of a machine's self-audits, registered at this instant."""
    key, keys = generate_key(tmp_path / f"{node}.pem"), house.context.auditors.machines
    keys.enter(node, key.public)
    now = house.clock.now().timestamp()
    os.utime(keys.place(node), (now, now))
    return key


def test_a_machine_with_a_key_of_its_own_is_believed_by_that_key_alone(house: House, tmp_path: Path) -> None:
    """Neither the key of checkpoints nor another machine's signs for it, and its own signs for no other."""
    key, other = registered(house, tmp_path, "gw-3"), registered(house, tmp_path, "gw-2")
    for node, signer, believed in (
        ("gw-3", None, False),
        ("gw-3", other, False),
        ("gw-1", key, False),
        ("gw-3", key, True),
    ):
        keep(house, report(house, node=node), key=signer)
        with house.client("rssi") as client:
            assert client.get("/v1/self-audits").json()["items"][0]["believed"] is believed, node
        house.clock.advance(timedelta(minutes=1))
    house.context.auditors.machines.place("gw-3").write_text("no key")
    with house.client("rssi") as client:
        assert client.get("/v1/self-audits").json()["items"][0]["believed"] is False, "doubt closes"


def test_a_machine_that_never_audited_is_told_though_others_did(
    house: House, desks: tuple[Desk, Desk, Desk], tmp_path: Path
) -> None:
    """By its key, registered here, or by its gateway, which runs: API, command and screen name it; after three days an alarm."""
    *_, rssi = desks
    key = registered(house, tmp_path, "gw-6")
    house.run(house.world.services.access.node_started(house.world.id, "gw-4"))
    house.run(house.world.services.access.node_started(house.world.id, "gw-4.2"))
    keep(house, report(house))
    silent = rssi.json("self-audit", "list")["silent"]
    assert {"gw-4", "gw-6"} <= set(silent)
    assert not {"node1", "gw-4.2"} & set(silent), "who audits, and who took over on a machine that is named"
    assert "gw-6" in rssi.run("self-audit", "list").stderr
    with signed_in(house, "rssi") as client:
        page = client.get("/console/self-audits").text
    assert "gw-6" in page
    assert "rule PGSSIS-T4 is held" not in page
    lateness = AuditLateness(house.context, house.world.id, "node1", timedelta(days=3))
    house.clock.advance(timedelta(days=2))
    assert "gw-6" not in house.run(lateness.look())
    house.clock.advance(timedelta(days=2))
    assert "gw-6" in house.run(lateness.look())
    assert "gw-6" not in house.run(lateness.look()), "once"
    about = [over for _, over, told in alarms(house, "self_audit_late") if "gw-6" in told]
    assert about == [False]
    house.clock.advance(timedelta(hours=1))
    keep(house, report(house, node="gw-6"), key=key)
    about = [over for _, over, told in alarms(house, "self_audit_late") if "gw-6" in told]
    assert about == [True]
    assert "gw-6" not in rssi.json("self-audit", "list")["silent"]


@pytest.mark.parametrize("forgery", ["strange", "old", "elsewhere", "changed", "none"])
def test_what_nobody_signed_ends_no_alarm_and_counts_for_nothing(
    house: House, tmp_path: Path, forgery: str
) -> None:
    """A gateway that was taken over writes a clean audit into the journal: it is an alarm itself, and T4 is not held by it."""
    finding = report(house, EXPOSED, node=f"m-{forgery}")
    keep(house, finding)
    about = [one for one in alarms(house, "self_audit_findings") if f"m-{forgery}" in one[2]]
    assert [over for _, over, _ in about] == [False]
    house.clock.advance(timedelta(hours=12))
    clean = report(house, node=f"m-{forgery}")
    key = house.proofs.notary.key
    if forgery == "strange":
        keep(house, clean, key=generate_key(tmp_path / "strange.pem"))
    elif forgery == "old":
        keep(house, report(house, node=f"m-{forgery}", at=house.clock.now() - timedelta(days=2)))
    elif forgery == "elsewhere":
        document = report(house, node="another").signed(key)
        told = {**facts(clean, document, None), "report": document.decode()}
        house.run(house.proofs.note(MADE, "ecluse", told))
    elif forgery == "changed":
        document = clean.signed(key).replace(b'"machine":"bastion', b'"machine":"bastiom')
        house.run(house.proofs.note(MADE, "ecluse", facts(clean, document, None)))
    else:
        house.run(house.proofs.note(MADE, "ecluse", {"node": f"m-{forgery}", "failures": 0, "new": 0}))
    about = [one for one in alarms(house, "self_audit_findings") if f"m-{forgery}" in one[2]]
    assert [over for _, over, _ in about] == [False]
    assert alarms(house, "report_forged")
    with house.client("rssi") as client:
        newest = client.get("/v1/self-audits").json()["items"][0]
        assert (newest["believed"], newest["id"], newest["outcome"]) == (False, None, None)
    with signed_in(house, "rssi") as client:
        assert "Not genuine" in client.get("/console/self-audits").text


def test_the_alarm_carries_no_document(house: House) -> None:
    """Mails and the webhook tell what was found, and not twenty kilobytes of JSON."""
    keep(house, report(house, EXPOSED, node="gw-7"))
    alarms(house)
    with house.client("rssi") as client:
        items = client.get("/v1/alarms", params={"state": "all"}).json()["items"]
    [one] = [one for one in items if one["kind"] == "self_audit_findings" and "gw-7" in one["sentence"]]
    assert "signature" not in json.dumps(one)


def test_the_console_s_own_port_is_clean(house: House) -> None:
    """Real handshakes with the real console: nothing old, nothing weak, its certificate believed, HSTS in its answers."""
    port = int(house.url.rpartition(":")[2])
    symptoms = tls.port("127.0.0.1", port, "127.0.0.1", house.ca, datetime.now(UTC))
    assert [(one.finding.key, one.level.value) for one in symptoms if one.level is not Level.GOOD] == []
    assert len(symptoms) == 4


def test_every_part_has_its_word_on_the_screen() -> None:
    """No bare key stands where a part is named."""
    assert [part for part in PARTS if not i18n.load("ecluse").knows(f"audit_part.{part}")] == []


def test_the_screens_fit_telephones_and_screen_readers(house: House, tmp_path: Path) -> None:
    """In a real browser, in both languages, at both widths: nothing is wider than the page, axe-core finds nothing."""
    made = report(house, EXPOSED, check("doctor.probes.none", Outcome.NOTICE))
    keep(house, made)
    paths = ("/console/self-audits", f"/console/self-audits/{made.id}")
    look_at(house, paths, session_of(house, "rssi"), tmp_path, lambda browser: browser.wait_for(".table"))
