"""What a self-audit finds of the gateway's own port: that it offers what we promise, and no more."""

from pathlib import Path

import pytest

from ecluse.diagnosis.symptom import Level
from ecluse.selfaudit import ssh
from tests.support.bastion import running_bastion

pytestmark = pytest.mark.integration


async def test_the_gateway_offers_what_is_promised_and_nothing_beyond(tmp_path: Path) -> None:
    """ssh-audit asks the real gateway; what it blames is said beside it, and is among what was promised."""
    async with running_bastion(tmp_path) as bastion:
        [symptom] = await ssh.offered("127.0.0.1", bastion.gateway.port)
    assert (symptom.level, symptom.finding.key) == (Level.GOOD, "doctor.ssh_algorithms.blamed")
    assert "ecdh-sha2-nistp256" in str(symptom.finding.arguments["algorithms"])
