"""``ecluse doctor`` on what the policy database tells: old devices and who answers for them, and a general cut."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse import settings
from ecluse.diagnosis import databases
from policy.clock import ManualClock, SystemClock
from policy.domain.derogations import Derogation
from policy.domain.devices import Algorithms, Zone
from policy.domain.ids import DerogationId, HospitalId, ZoneId, new_id
from policy.services.revocations import RevocationService
from policy.store.database import Database
from tests.support.facts import DEVICE
from tests.support.installed import doctor, findings


@pytest.mark.parametrize(
    ("days", "finding", "level"),
    [(60, "good", "good"), (10, "ending", "notice"), (-1, "over", "notice"), (None, "undecided", "notice")],
)
def test_derogations_are_told_in_force_ending_and_over(
    config: Path, days: int | None, finding: str, level: str
) -> None:
    """An old device is listed with what is accepted of it and until when, and with the way out in time."""
    asyncio.run(_old_device(config, days))
    assert findings(config, "derogations") == [(finding, level)]
    (symptom,) = (one for one in doctor(config).values() if one["check"] == "doctor.derogations")
    assert "kex=diffie-hellman-group1-sha1" in symptom["sentence"]
    assert ("devices derogate irm01" in (symptom["remedy"] or "")) is (level == "notice")


def test_a_general_cut_is_told_with_who_made_it_and_how_to_reopen(config: Path) -> None:
    """Since when, by whom, why and the way out; a line says so too where nothing is cut."""
    assert findings(config, "general_cut") == [("good", "good")]
    values = settings.load(config)

    async def cut() -> None:
        async with databases.opened(values) as database:
            hospital = HospitalId(values.hospital_id)
            async with database.read() as view:
                (dsi,) = (one for one in await view.people.list(hospital) if one.login == "dsi")
            service = RevocationService(database, ManualClock(datetime(2026, 11, 30, 23, 30, tzinfo=UTC)))
            await service.cut_everything(dsi.id, hospital, "Attaque en cours")

    asyncio.run(cut())
    (symptom,) = (one for one in doctor(config).values() if one["check"] == "doctor.general_cut")
    assert symptom["level"] == "notice"
    for told in ("Denise Martin", "Attaque en cours", "2026-12-01 00:30"):  # by the hospital's clock
        assert told in symptom["sentence"]
    assert "ecluse sessions reopen" in symptom["remedy"]


async def _old_device(config: Path, days: int | None) -> None:
    """Write an old device into the installation's database, accepted until so many *days* from now."""
    values = settings.load(config)
    database = await Database.open(values.policy_url())
    now, hospital = datetime.now(UTC), HospitalId(values.hospital_id)
    zone = Zone(id=ZoneId(new_id()), hospital_id=hospital, name="vieux", source_address=None)
    device = replace(
        DEVICE,
        hospital_id=hospital,
        name="irm01",
        zone_id=zone.id,
        algorithms=Algorithms(kex=("diffie-hellman-group1-sha1",)),
    )
    async with database.unit_of_work(None, SystemClock()) as work:
        await work.zones.insert(zone)
        await work.devices.insert(device)
        (dsi,) = (one for one in await work.people.list(hospital) if one.login == "dsi")
        if days is not None:
            await work.derogations.insert(
                Derogation(
                    id=DerogationId(new_id()),
                    hospital_id=hospital,
                    device_id=device.id,
                    weakness=device.algorithms.weaknesses[0],
                    reason="essai",
                    decided_by=dsi.id,
                    decided_at=now - timedelta(days=30),
                    expires_at=now + timedelta(days=days),
                )
            )
    await database.close()
