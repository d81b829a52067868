"""Retention through API, command line and keeper: shown before, purged by the rule, held, erased by two persons."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from recorder.audit.journal import JournalFilters
from tests.support.api_house import House, open_house
from tests.support.console import signed_in
from tests.support.own_machine import Desk
from tests.support.recorded import record, speak
from tests.support.waiting import answered

DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own: its clock is moved by months."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def pass_days(house: House, days: int) -> None:
    """Let time pass as it does: with a checkpoint every other day."""
    for _ in range(0, days, 2):
        house.clock.advance(2 * DAY)
        house.run(house.proofs.checkpoint("test", force=True))


def code(house: House, login: str) -> str:
    """A code of hers as she types it."""
    return f"{house.next_code(login)}\n"


def told(house: House, name: str, session_id: str | None = None) -> list[dict[str, object]]:
    """What the journal's entries of that name hold."""
    house.ingest_all()
    filters = JournalFilters(hospital_id=house.world.id, name=name, session_id=session_id)
    return [dict(entry.event.details) for entry in house.run(house.journal.entries(filters)).entries]


async def carried_out(house: House) -> None:
    """Let the keeper run until no decided erasure is left to do."""

    async def done() -> bool:
        return not await house.world.services.erasures.approved(house.world.id)

    running = asyncio.create_task(house.keeper.run())
    try:
        await answered(done)
    finally:
        running.cancel()


def recording(house: House) -> str:
    """A session of alice on scan01, closed now."""
    return record(house, lambda one: speak(one, "bonjour\r\n"))


def test_a_purge_is_shown_before_goes_by_itself_and_leaves_what_verifies(
    house: House, tmp_path: Path
) -> None:
    """Planned from the plan's day on, untouched until due, gone after, journalled, verified, and read by nobody."""
    touched, rssi = recording(house), Desk(house, tmp_path, "rssi")
    house.clock.advance(timedelta(seconds=1))  # what ended in one instant comes in any order
    first = recording(house)
    house.run(house.proofs.checkpoint("test", force=True))
    strange = house.store.root / house.store.find(house.world.id, touched).folder / "zz"
    strange.mkdir()  # what somebody put among a recording's files keeps no other from going
    pass_days(house, 160)
    second = recording(house)
    plan = rssi.json("retention", "plan", "--days", "30")
    assert [item["session_id"] for item in plan["items"]] == [touched, first]
    assert (plan["count"], plan["doubt"]) == (2, None)
    assert [item["stays"] for item in plan["items"]] == ["altered", None]
    assert first[:8] in rssi.run("retention", "plan").output
    with signed_in(house, "rssi") as client:
        assert "not what the catalogue knows" in client.get("/console/retention").text
    assert rssi.json("retention", "run") == {}
    pass_days(house, 24)
    assert house.run(house.keeper.purge()) == {"altered": 1, "gone": 1}
    assert [one["fate"] for one in told(house, "alarm.purge_failed", touched)] == ["altered"]
    strange.rmdir()
    assert house.run(house.keeper.purge()) == {"gone": 1}
    assert house.run(house.keeper.purge()) == {}
    entry = told(house, "trace.purged", first)
    assert [(one["reason"], one["decided_by"]) for one in entry] == [("retention", [])]
    with house.client("rssi") as client:
        assert client.post(f"/v1/traces/{first}/verify").json()["valid"] is True
        assert client.post(f"/v1/traces/{second}/verify").json()["valid"] is True
        refused = client.get(f"/v1/traces/{first}/transcript", params={"reason": "Incident 42"})
        assert refused.status_code == 410
        assert refused.json()["type"].endswith("trace-purged")
        here = house.clock.now().astimezone(ZoneInfo("Europe/Paris"))
        assert f"{here:%H:%M} (UTC+" in refused.json()["detail"]
        assert client.get(f"/v1/traces/{first}").json()["purged_at"] is not None
        assert client.get(f"/v1/traces/{second}").json()["purged_at"] is None
    assert rssi.json("traces", "verify", "--all")["valid"] is True


def test_the_journal_goes_when_its_time_is_over_shown_before_and_told(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned in the days before, kept by a hold, gone after with a signed record, and everything verifies."""
    # its year is a month here: both ends of the rule are tried with real years on the recorder's side
    monkeypatch.setattr("recorder.retention.journal.KEPT", 30 * DAY)
    monkeypatch.setattr("recorder.proof.cuts.LEAST", 29 * DAY)
    rssi = Desk(house, tmp_path, "rssi")
    house.ingest_all()
    house.run(house.proofs.checkpoint("test", force=True))
    hold = rssi.json("holds", "place", "--case", "Plainte 1", "--device", "scan01", "--reason", "Parquet")
    pass_days(house, 28)
    soon = rssi.json("retention", "plan", "--days", "10")["journal"]
    assert (soon["held"], soon["next_at"]) == (1, None)
    assert "a hold keeps" in rssi.run("retention", "plan", "--days", "10").output
    rssi.json("holds", "lift", hold["id"][:8], "--reason", "classée")
    assert rssi.json("retention", "plan", "--days", "0")["journal"]["before"] is None
    pass_days(house, 10)
    due = rssi.json("retention", "plan", "--days", "0")["journal"]["count"]
    assert due > 0
    assert f"{due}, known before" in rssi.run("retention", "plan", "--days", "0").output
    assert rssi.json("retention", "run") == {"entries": due}
    assert [one["entries"] for one in told(house, "journal.purged")] == [due]
    assert rssi.json("retention", "run") == {}
    assert rssi.json("traces", "verify", "--all")["valid"] is True


def test_a_clock_put_forward_purges_nothing(house: House) -> None:
    """A lone administrator of the machine who sets the clock ahead by a year and asks for a purge gets none."""
    session = recording(house)
    house.run(house.proofs.checkpoint("test", force=True))
    house.clock.advance(200 * DAY)
    with house.client("dsi") as client:
        plan = client.get("/v1/retention/plan", params={"days": 0}).json()
        assert [(item["session_id"], item["stays"]) for item in plan["items"]] == [(session, "unseen")]
        assert '{"fates": {"unseen": 1}}' in client.post("/v1/retention/run").text
    assert told(house, "retention.run")[0] == {"unseen": 1}


def test_a_lone_administrator_shortens_nothing(house: House, tmp_path: Path) -> None:
    """Asked for, it changes nothing; refused to who asked; approved by another, it waits a week, and is an alarm."""
    dsi, denis = Desk(house, tmp_path, "dsi"), Desk(house, tmp_path, "denis")
    session = recording(house)
    house.run(house.proofs.checkpoint("test", force=True))
    pass_days(house, 100)
    assert "--days" in dsi.run("retention", "set", "--days", "80", "--reason", "vite").output
    asked = dsi.json("retention", "set", "--days", "92", "--reason", "vite")
    assert dsi.json("retention", "run") == {}
    alone = dsi.run("retention", "approve", asked["id"][:8])
    assert (alone.exit_code, "four eyes" in alone.output) == (1, True)
    assert denis.json("retention", "approve", asked["id"][:8])["state"] == "coming"
    assert dsi.json("retention", "run") == {}
    assert told(house, "retention.shortening_asked")
    pass_days(house, 8)
    assert dsi.json("retention", "show")["rule"]["recordings_days"] == 92
    assert dsi.json("retention", "run") == {"gone": 1}
    assert told(house, "trace.purged", session)


def test_a_hold_keeps_what_is_recorded_later_too(house: House, tmp_path: Path) -> None:
    """Placed on a device, it holds past and coming sessions in the store, no purge or erasure goes past it, lifted it ends."""
    rssi, denis = Desk(house, tmp_path, "rssi"), Desk(house, tmp_path, "denis")
    first = recording(house)
    house.run(house.proofs.checkpoint("test", force=True))
    asked = rssi.json("erasures", "ask", first, "--reason", "tiers", typed=code(house, "rssi"))
    why = ("--reason", "Parquet")
    hold = rssi.json("holds", "place", "--case", "Plainte 1", "--device", "scan01", *why)
    assert house.run(house.keeper.keep_holds()) == (1, 0)
    second = recording(house)
    assert house.run(house.keeper.keep_holds()) == (1, 0)
    assert house.run(house.keeper.keep_holds()) == (0, 0)
    for session in (first, second):
        objects = house.store.objects(house.store.find(house.world.id, session))
        assert [one.held for one in objects if one.name == "manifest.json"] == [True]
    assert (
        denis.run(
            "erasures", "approve", asked["id"][:8], "--reason", "oui", typed=code(house, "denis")
        ).exit_code
        == 1
    )
    assert denis.run("holds", "lift", hold["id"][:8], *why).exit_code == 1
    pass_days(house, 200)
    assert house.run(house.keeper.purge()) == {"held": 2}
    assert {item["case"] for item in rssi.json("retention", "plan")["items"]} == {"Plainte 1"}
    rssi.json("holds", "lift", hold["id"][:8], "--reason", "classée")
    assert house.run(house.keeper.purge()) == {"held": 2}
    pass_days(house, 8)
    assert house.run(house.keeper.keep_holds()) == (0, 2)
    assert house.run(house.keeper.purge()) == {"gone": 2}
    assert "Plainte 1" in rssi.run("holds", "list").output


def test_a_hold_whose_note_cannot_be_read_is_told(house: House) -> None:
    """It is not kept, and nobody may take it for kept: an alarm says so until it is."""
    place = house.store.find(house.world.id, recording(house))
    note = house.store.root / place.folder / ".lock.json"
    before = note.read_bytes()
    note.write_text("{")
    who, holds = house.world.who("rssi"), house.world.services.holds
    covered = place.session_id
    house.run(holds.place(who, house.world.id, case="Plainte 3", reason="Parquet", session_id=covered))
    house.run(house.keeper.keep_holds())
    assert len(told(house, "alarm.hold_refused")) == 1
    note.write_bytes(before)
    house.run(house.keeper.keep_holds())
    assert len(told(house, "alarm.hold_kept")) == 1
    assert all(one.held for one in house.store.objects(place) if one.retain_until is not None)


def test_two_persons_erase_and_a_stub_stays(house: House, tmp_path: Path) -> None:
    """Nobody alone, nobody her own; approved, the recording is gone at the next look, signed with both names."""
    rssi, denis = Desk(house, tmp_path, "rssi"), Desk(house, tmp_path, "denis")
    session = recording(house)
    asked = rssi.json("erasures", "ask", session, "--reason", "tiers filmé", typed=code(house, "rssi"))
    assert asked["state"] == "asked"
    house.run(house.keeper.erase())
    stale = denis.run("erasures", "approve", asked["id"][:8], "--reason", "oui", typed="000000\n")
    assert (stale.exit_code, house.run(house.keeper.erase())) == (1, None)
    assert rssi.json("erasures", "list")[0]["state"] == "asked"
    own = rssi.run("erasures", "approve", asked["id"][:8], "--reason", "oui", typed=code(house, "rssi"))
    assert (own.exit_code, "four eyes" in own.output) == (1, True)
    assert house.store.objects(house.store.find(house.world.id, session))
    denis.json(
        "erasures", "approve", asked["id"][:8], "--reason", "vu avec le DPO", typed=code(house, "denis")
    )
    other = house.store.find(house.world.id, recording(house))
    house.run(
        house.world.services.holds.place(
            house.world.who("rssi"),
            house.world.id,
            case="Plainte 2",
            reason="Parquet",
            session_id=other.session_id,
        )
    )
    unwritable = house.store.root / other.folder / f"..lock.json.{os.getpid()}.part"
    mine = tmp_path / "mine"
    mine.write_text("precious")
    unwritable.symlink_to(mine)  # a hold that cannot be noted keeps nothing that was decided from being done
    house.run(carried_out(house))
    assert len(told(house, "alarm.hold_refused", None)) == 1
    unwritable.unlink()
    assert mine.read_text() == "precious"
    assert house.run(house.keeper.keep_holds()) == (1, 0)
    assert len(told(house, "alarm.hold_kept", None)) == 1
    house.run(house.proofs.checkpoint("test", force=True))
    assert rssi.json("erasures", "list")[0]["state"] == "done"
    entry = told(house, "trace.purged", session)
    people = [house.world.who("rssi"), house.world.who("denis")]
    assert [(one["reason"], one["rule"], one["decided_by"]) for one in entry] == [
        ("erasure", "tiers filmé", people)
    ]
    with house.client("rssi") as client:
        proof = client.post(f"/v1/traces/{session}/verify").json()
    made = rssi.json("evidence", "make", session, "--reason", "DPO", "--output", str(tmp_path / "erased.zip"))
    assert (made["purged"], made["unheld"]) == ([session], [])
    assert (proof["valid"], proof["purged"]) == (True, True)
    assert "n’a plus de contenu" in rssi.run("--lang", "fr", "traces", "verify", session).output
    assert "effacé" in rssi.run("--lang", "fr", "erasures", "list").output
