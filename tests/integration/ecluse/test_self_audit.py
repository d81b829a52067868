"""``ecluse self-audit``: a report that is signed and kept, and every way to pass off another one."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.selfaudit import history
from admin_api.selfaudit.report import Outcome, Report
from ecluse import settings
from ecluse.diagnosis.selfaudit import self_audit
from ecluse.local_acts import journalled
from ecluse.selfaudit import advisories, conduct, ledger, memory, signers
from policy.clock import ManualClock, SystemClock
from policy.domain.ids import new_id
from recorder.seal.signing import SigningKey, generate_key
from tests.support.installed import change, ecluse, findings, install

pytestmark = pytest.mark.integration

PARTS = ["ssh", "tls", "exposure", "files", "ledger", "probes", "advisories", "clock", "machine"]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of an installation that was audited twice: ``first.json`` and ``second.json`` beside its data."""
    folder = tmp_path_factory.mktemp("audited")
    config = install(folder / "data")
    assert findings(config, "self_audit") == [("never", "notice")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advisories, "program", lambda: None)  # it has tests of its own, and takes seconds
        for name in ("first", "second"):
            done = ecluse("self-audit", "run", "--config", str(config), "--out", str(folder / f"{name}.json"))
            assert done.exit_code in {1, 3}, done.output
    return config


def read(path: Path) -> dict[str, Any]:
    """What a report says."""
    return dict(json.loads(path.read_text()))


def verify(
    config: Path, file: Path, *further: str, key: str = "checkpoint-signing.pem.pub"
) -> tuple[int, str]:
    """The exit status and the words of ``ecluse self-audit verify``."""
    done = ecluse("self-audit", "verify", str(file), "--key", str(config.parent / "keys" / key), *further)
    return done.exit_code, done.stdout + done.stderr


def test_every_part_is_in_the_report_and_none_without_an_answer_is_clean(audited: Path) -> None:
    """With neither program running, what they would have been asked is undone, and so is the whole at best."""
    report = read(audited.parent.parent / "first.json")
    outcomes = {one["part"]: one["outcome"] for one in report["parts"]}
    assert list(outcomes) == PARTS
    assert all(one["checks"] for one in report["parts"])
    for part in ("ssh", "tls", "advisories"):
        assert outcomes[part] == "undone"
    assert outcomes["probes"] == "notice", "nobody ever probed: that is a finding"
    assert outcomes["ledger"] == "good"
    assert {one["check"] for one in report["parts"][3]["checks"]} >= {"doctor.permissions", "doctor.users"}
    bad = [one for part in report["parts"] for one in part["checks"] if one["level"] != "good"]
    assert all(one["sentence"] and one["remedy"] for one in bad)
    assert report["outcome"] in {"undone", "failed"}


def test_a_finding_that_must_be_mended_decides_the_exit(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that others can read is found by doctor's own check, fails the audit, and is told first."""
    monkeypatch.setattr(advisories, "program", lambda: None)
    (config.parent / "keys/trace-signing.pem").chmod(0o644)
    done = ecluse("self-audit", "run", "--config", str(config), "--json")
    assert done.exit_code == 1
    [part] = [one for one in json.loads(done.stdout)["parts"] if one["part"] == "files"]
    failed = [one for one in part["checks"] if one["level"] == "failed"]
    assert [one["finding"] for one in failed] == ["doctor.permissions.open"]
    assert "0644" in failed[0]["sentence"]


async def test_a_part_that_breaks_is_undone_and_the_others_are_done(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in one, it is told why, the report has all parts, and none of it passes for clean."""

    def broken(*_arguments: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(advisories, "program", lambda: None)
    monkeypatch.setattr(ledger, "ledger", broken)
    told: list[tuple[str, int, int]] = []
    made = await conduct.audit(
        settings.load(config),
        SystemClock(),
        occasion="asked",
        previous=None,
        tell=lambda *step: told.append(step),
    )
    parts = {one.part: one for one in made.parts}
    assert list(parts) == PARTS
    [check] = parts["ledger"].checks
    assert (check.level, "no such thing" in check.sentence) == (Outcome.UNDONE, True)
    assert [step[1:] for step in told] == [(done, 9) for done in range(10)]


def test_a_report_verifies_by_the_public_key_alone(audited: Path, tmp_path: Path) -> None:
    """Copied elsewhere with the public key, it says whose it is; and what follows on it, that it follows."""
    folder = audited.parent.parent
    copied = tmp_path / "audit.json"
    copied.write_bytes((folder / "second.json").read_bytes())
    status, words = verify(audited, copied, "--within", "1", "--after", str(folder / "first.json"))
    assert status == 0, words
    assert "node1" in words
    done = ecluse(
        *("self-audit", "verify", str(copied), "--json"),
        *("--key", str(audited.parent / "keys/checkpoint-signing.pem.pub")),
        *("--after", str(folder / "first.json")),
    )
    assert json.loads(done.stdout)["follows"] is True


def test_a_touched_report_is_refused(audited: Path, tmp_path: Path) -> None:
    """A finding made good, a part taken out, an end cut off, another key, a report signed anew: none is genuine."""
    report = read(audited.parent.parent / "second.json")
    touched = tmp_path / "touched.json"
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda found: found.update(outcome="good"),
        lambda found: found["parts"].pop(),
        lambda found: found["parts"][0].update(checks=[]),
        lambda found: found.update(made_at="2027-11-24T02:00:00.000000Z"),
        lambda found: found.pop("signature"),
    )
    for altered in changes:
        found = json.loads(json.dumps(report))
        altered(found)
        touched.write_text(json.dumps(found))
        status, words = verify(audited, touched)
        assert (status, str(touched) in words) == (1, True)
    touched.write_text(json.dumps(report)[:-40])
    assert verify(audited, touched)[0] == 1
    touched.write_text(json.dumps(report))
    assert verify(audited, touched)[0] == 0, "laid out anew, it says the same"
    assert verify(audited, touched, key="trace-signing.pem.pub")[0] == 1
    key = SigningKey.load(audited.parent / "keys/checkpoint-signing.pem")
    made, _ = Report.opened((audited.parent.parent / "second.json").read_bytes(), [key.public])
    touched.write_bytes(made.signed(generate_key(tmp_path / "strange.pem")))
    assert verify(audited, touched)[0] == 1


def test_an_older_report_is_not_taken_for_a_new_one(audited: Path) -> None:
    """It is genuine and says so; held against a later one, or against a number of days, it is refused."""
    folder = audited.parent.parent
    assert verify(audited, folder / "first.json")[0] == 0
    status, words = verify(audited, folder / "first.json", "--after", str(folder / "second.json"))
    assert (status, "no new one" in words) == (1, True)
    assert verify(audited, folder / "first.json", "--after", str(folder / "first.json"))[0] == 1


def test_the_journal_holds_the_report_whole(audited: Path) -> None:
    """What was kept is what was written, byte for byte, and the second names the first."""
    folder = audited.parent.parent
    kept = asyncio.run(audits(audited))
    assert [one.document for one in kept] == [
        (folder / f"{name}.json").read_bytes() for name in ("second", "first")
    ]
    [second, first] = [one.report for one in kept]
    assert second is not None
    assert first is not None
    assert (first.previous, second.previous and second.previous.id) == (None, first.id)
    assert second.previous is not None
    assert second.previous.sha256 == kept[1].sha256


async def audits(config: Path) -> list[history.Kept]:
    """What the journal keeps."""
    from ecluse.diagnosis.databases import opened_traces
    from ecluse.selfaudit.signers import known
    from recorder.audit.journal import Journal

    chosen = settings.load(config)
    async with opened_traces(chosen) as database:
        journal = Journal(database, node="reading", now=SystemClock().now)
        return await history.kept(journal, chosen.hospital_id, known(chosen))


def test_thirteen_months_later_rule_t4_is_broken(audited: Path) -> None:
    """The doctor is content, then says that it is late, and after twelve months that the rule is not held."""

    def after(days: float) -> list[tuple[str, str]]:
        clock = ManualClock(SystemClock().now() + timedelta(days=days))
        symptoms = asyncio.run(self_audit(settings.load(audited), clock))
        return [(one.finding.key.removeprefix("doctor.self_audit."), one.level.value) for one in symptoms]

    assert after(0.1)[0][0] in {"good", "findings"}
    assert after(4) == [("late", "notice")]
    assert after(364) == [("late", "notice")]
    assert after(395) == [("overdue", "failed")]


def test_an_entry_that_no_console_s_key_signed_counts_for_nothing(config: Path, audited: Path) -> None:
    """Who can write into the journal can neither make up a clean audit nor enter an old one again."""
    chosen = settings.load(config)
    key = SigningKey.load(chosen.checkpoint_key)
    made, _ = Report.opened((audited.parent.parent / "second.json").read_bytes(), [key.public])
    ago = timedelta(days=3)
    older = replace(made, made_at=made.made_at - ago, finished_at=made.finished_at - ago)
    elsewhere = replace(made, hospital_id="f" * 32)
    strange = made.signed(SigningKey.load(chosen.signing_key))
    for document in (strange, older.signed(key), elsewhere.signed(key), b"{}", b""):
        facts = {"report": document.decode(), "outcome": "good"}
        asyncio.run(journalled(chosen, history.MADE, facts, actor="ecluse", chain="forged"))
        assert findings(config, "self_audit") == [("forged", "failed"), ("never", "notice")]


def test_a_further_machine_s_key_is_registered_missed_and_taken_away(config: Path, tmp_path: Path) -> None:
    """From its registration on the doctor here misses its audits; who has the console here makes no such key."""

    def keys(*arguments: str) -> tuple[int, str]:
        done = ecluse("self-audit", "keys", *arguments, "--config", str(config))
        return done.exit_code, done.output

    assert keys("new") == (1, keys("new")[1])
    assert "elsewhere = true" in keys("new")[1]
    key = tmp_path / "self-audit.pem"
    generate_key(key)
    assert keys("add", "Node 2", f"{key}.pub")[0] == 1
    assert keys("add", "node2", str(key))[0] == 1, "the private half is none"
    assert "speak for the console's machine" in keys("add", "node1", f"{key}.pub")[1]
    assert "node1" not in keys("list")[1]
    assert keys("add", "node2", f"{key}.pub")[0] == 0
    assert "keys remove node2" in keys("add", "node2", f"{key}.pub")[1]
    assert "node2" in keys("list")[1]
    assert findings(config, "self_audit_of") == [("never", "notice")]
    assert keys("remove", "node2")[0] == 0
    assert findings(config, "self_audit_of") == []
    assert keys("remove", "node2")[0] == 1


def test_a_machine_that_falls_silent_is_overdue_though_others_audit_every_night(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last report is found below all of the others', and names its next one; one that never made any is overdue too."""
    chosen, now = settings.load(config), SystemClock().now()
    keys = {"node1": SigningKey.load(chosen.checkpoint_key), "node3": generate_key(tmp_path / "node3.pem")}
    registered = signers.known(chosen).machines
    for node in ("node2", "node3"):
        registered.enter(node, keys["node3"].public)

    def kept(node: str) -> Report:
        made = Report(
            id=new_id(),
            hospital_id=chosen.hospital_id,
            node=node,
            machine=node,
            occasion="nightly",
            made_at=now,
            finished_at=now,
            ecluse="0.1.0",
            parts=(),
        )
        facts = history.facts(made, made.signed(keys[node]), None)
        asyncio.run(journalled(chosen, history.MADE, facts, actor="ecluse", chain="self-audit"))
        return made

    def after(days: float) -> list[tuple[str, str]]:
        symptoms = asyncio.run(self_audit(chosen, ManualClock(now + timedelta(days=days))))
        return [(one.finding.key.removeprefix("doctor."), one.level.value) for one in symptoms]

    first = kept("node1")
    kept("node3")
    kept("node3")
    for bound in ("_READ", "_PAGE"):
        monkeypatch.setattr(history, bound, 1)
    last = asyncio.run(conduct.last_of(chosen, ManualClock(now)))
    assert last is not None
    assert last[0] == first
    assert after(1) == [
        ("self_audit.good", "good"),
        ("self_audit_of.never", "notice"),
        ("self_audit_of.good", "good"),
    ]
    kept("node1")
    assert after(400) == [
        ("self_audit.overdue", "failed"),
        ("self_audit_of.never", "failed"),
        ("self_audit_of.overdue", "failed"),
    ]


def test_a_machine_of_a_year_that_never_audited_itself_breaks_the_rule(config: Path) -> None:
    """On the console's machine by its journal's first entry, on a gateway's by its key: at first it is but named."""

    def after(days: float) -> list[tuple[str, str]]:
        clock = ManualClock(SystemClock().now() + timedelta(days=days))
        symptoms = asyncio.run(self_audit(settings.load(config), clock))
        return [(one.finding.key.removeprefix("doctor.self_audit."), one.level.value) for one in symptoms]

    asyncio.run(journalled(settings.load(config), "first.made", {}, actor="ecluse", chain="first"))
    assert after(364) == [("never", "notice")]
    assert after(366) == [("never", "failed")]
    change(config, "console", "elsewhere = true")
    assert ecluse("self-audit", "keys", "new", "--config", str(config)).exit_code == 0
    assert after(364) == [("never", "notice")]
    assert after(366) == [("never", "failed")]


def test_what_a_gateway_alone_remembers_counts_by_its_signature(config: Path, tmp_path: Path) -> None:
    """Its last report is kept in a folder that others write in: neither another's, nor a link, nor a pipe is taken for it."""
    change(config, "console", "elsewhere = true")
    chosen = settings.load(config)
    assert ecluse("self-audit", "keys", "new", "--config", str(config)).exit_code == 0
    made = Report(
        id="0" * 32,
        hospital_id=chosen.hospital_id,
        node=chosen.node,
        machine="node2.hospital.example",
        occasion="asked",
        made_at=SystemClock().now(),
        finished_at=SystemClock().now(),
        ecluse="0.1.0",
        parts=(),
    )
    key = SigningKey.load(signers.own_key(chosen))
    place = chosen.run_directory / "self-audit.json"
    for wrong in (
        b"",
        made.signed(generate_key(tmp_path / "strange.pem")),
        replace(made, node="other").signed(key),
    ):
        memory.remember(chosen, wrong)
        assert memory.recall(chosen) is None
    place.unlink()
    os.mkfifo(place)
    assert memory.recall(chosen) is None
    memory.remember(chosen, made.signed(key))
    assert memory.recall(chosen) == (made, made.signed(key))
    elsewhere = tmp_path / "copied.json"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert memory.recall(chosen) is None
    memory.remember(chosen, made.signed(key))
    assert (place.is_symlink(), memory.recall(chosen)) == (False, (made, made.signed(key)))
