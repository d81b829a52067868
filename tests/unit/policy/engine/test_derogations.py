"""Rule X09: an old device is opened under a derogation in force for each of its weaknesses, and not otherwise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.sshfix import algorithms as offered
from policy.domain.access import Denial, Facts, Grant, Held
from policy.domain.derogations import Derogation
from policy.domain.devices import SOUND, Algorithms, Quirk
from policy.domain.ids import DerogationId, PersonId
from policy.engine.decide import decide
from policy.engine.recheck import recheck
from tests.support.facts import DEVICE, DURING, FACTS, HOSPITAL, REQUEST

OLD = Algorithms(kex=("diffie-hellman-group1-sha1",), quirks=(Quirk.NO_IGNORE,))
SOON = DURING + timedelta(minutes=20)


def derogation(weakness: str, **changes: object) -> Derogation:
    """Return one of scan01, in force until twenty minutes from now."""
    made = Derogation(
        id=DerogationId(weakness),
        hospital_id=HOSPITAL.id,
        device_id=DEVICE.id,
        weakness=weakness,
        reason="remplacé en juin",
        decided_by=PersonId("rssi"),
        decided_at=DURING - timedelta(days=1),
        expires_at=SOON,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # named by the tests below


BOTH = tuple(derogation(weakness) for weakness in OLD.weaknesses)


def old(*derogations: Derogation) -> Facts:
    """Return the world with scan01 an old device."""
    assert FACTS.device is not None
    return replace(FACTS, device=replace(FACTS.device, algorithms=OLD), derogations=derogations)


def test_every_weakness_covered_opens_and_asks_again_at_the_first_end() -> None:
    """Both covered: a grant, to be asked again when the first derogation ends, before the window does."""
    later = replace(BOTH[1], expires_at=SOON + timedelta(minutes=5))
    granted = decide(REQUEST, old(BOTH[0], later), DURING)
    assert isinstance(granted, Grant)
    assert granted.ask_again_at == SOON
    assert [one.key for one in granted.findings if one.code == "X09"] == ["finding.X09.accepted"]


@pytest.mark.parametrize(
    ("derogations", "key"),
    [
        ((), "finding.X09.undecided"),
        ((BOTH[0],), "finding.X09.undecided"),
        ((BOTH[0], replace(BOTH[1], expires_at=DURING)), "finding.X09.over"),
        ((BOTH[0], replace(BOTH[1], withdrawn_at=DURING)), "finding.X09.over"),
        ((BOTH[0], derogation("kex=diffie-hellman-group14-sha1")), "finding.X09.undecided"),
    ],
    ids=["none", "one-of-two", "over-this-instant", "withdrawn", "another-weakness"],
)
def test_a_weakness_that_nobody_answers_for_refuses(derogations: tuple[Derogation, ...], key: str) -> None:
    """Anything less than a derogation in force for each weakness is a refusal with its code and next step."""
    refused = decide(REQUEST, old(*derogations), DURING)
    assert isinstance(refused, Denial)
    (finding,) = refused.failed
    assert (finding.code, finding.key, finding.next_step) == ("X09", key, "next.X09.decide")


def test_a_live_session_ends_with_its_derogation() -> None:
    """Held until the instant before, denied from the end on; a renewed derogation holds it."""
    granted = decide(REQUEST, old(*BOTH), DURING)
    assert isinstance(granted, Grant)
    instant = timedelta(microseconds=1)
    assert isinstance(recheck(granted, old(*BOTH), SOON - instant), Held)
    assert isinstance(recheck(granted, old(*BOTH), SOON), Denial)
    renewed = [replace(one, expires_at=SOON + timedelta(days=1)) for one in BOTH]
    assert isinstance(recheck(granted, old(*BOTH, *renewed), SOON), Held)


def test_what_the_gateway_offers_by_itself_is_no_weakness() -> None:
    """Every algorithm of the modern lists is sound to policy, and so needs nobody's answer."""
    mine = {*offered.KEX, *offered.ENCRYPTION, *offered.MAC, *offered.SIGNATURE}
    assert {name for name in mine if not name.startswith("sk-")} <= SOUND
    for weak in ("ssh-rsa", "ssh-dss", "3des-cbc", "aes128-cbc", "hmac-sha1", "diffie-hellman-group14-sha1"):
        assert weak not in SOUND
