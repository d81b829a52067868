"""What ``ecluse doctor`` says of trust anchors: whether tokens can be checked, before anybody is refused for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse import settings
from ecluse.diagnosis.anchors import anchors
from policy.clock import SystemClock
from policy.domain.certificates import RevocationList, TrustAnchor, WhenStale
from policy.domain.ids import HospitalId, new_id
from policy.store.database import Database


async def _anchor(config: Path, stale_in: int | None, ocsp: str | None, *, accepts: bool) -> None:
    """Write an anchor, and a list of its that is good for so many days, into the installation's database."""
    values = settings.load(config)
    database = await Database.open(values.policy_url())
    now = datetime.now(UTC)
    anchor = TrustAnchor(
        id=new_id(),
        hospital_id=HospitalId(values.hospital_id),
        name="IGC Essai",
        certificate=b"",
        fingerprint="",
        supplier_id=None,
        crl_urls=(),
        ocsp_url=ocsp,
        when_stale=WhenStale.ACCEPT if accepts else WhenStale.REFUSE,
        added_at=now,
    )
    async with database.unit_of_work(None, SystemClock()) as work:
        await work.certificates.insert_anchor(anchor)
        if stale_in is not None:
            await work.certificates.put_list(
                RevocationList(
                    hospital_id=anchor.hospital_id,
                    anchor_id=anchor.id,
                    issuer="",
                    der=b"",
                    this_update=now - timedelta(days=3),
                    next_update=now + timedelta(days=stale_in),
                    source="essai",
                    taken_at=now,
                )
            )
    await database.close()


@pytest.mark.parametrize(
    ("stale_in", "ocsp", "accepts", "finding", "level"),
    [
        (7, None, False, "good", "good"),
        (7, None, True, "accepts", "notice"),
        (-1, None, False, "stale", "notice"),
        (None, None, False, "unlisted", "notice"),
        (None, "http://ocsp.example/", False, "asked", "good"),
    ],
)
async def test_anchors_are_told_with_their_lists(
    config: Path, stale_in: int | None, ocsp: str | None, accepts: bool, finding: str, level: str
) -> None:
    """Good, stale, none at hand, accepted unchecked: each is told, and what is not good has its way out."""
    assert await anchors(settings.load(config), SystemClock()) == []
    await _anchor(config, stale_in, ocsp, accepts=accepts)
    (symptom,) = await anchors(settings.load(config), SystemClock())
    assert (symptom.finding.key, symptom.level.value) == (f"doctor.anchors.{finding}", level)
    assert (symptom.remedy is None) is (level == "good")
