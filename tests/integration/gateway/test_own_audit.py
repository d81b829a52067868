"""What a self-audit finds of the gateway's own port: that it offers what we promise, and no more."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from ecluse.diagnosis.symptom import Level
from ecluse.selfaudit import ssh
from tests.support.bastion import running_bastion

pytestmark = pytest.mark.integration


async def test_the_gateway_offers_what_is_promised_and_nothing_beyond(tmp_path: Path) -> None:
    """ssh-audit asks the real gateway, also one that takes it for the relay's; what it blames is among what was promised."""
    async with running_bastion(tmp_path) as bastion:
        [symptom] = await ssh.offered("127.0.0.1", bastion.gateway.port)
        [unheard] = await ssh.offered("127.0.0.1", bastion.gateway.port, announced=True)
        await bastion.restart_gateway(proxy_sources=(ip_network("127.0.0.1/32"),))
        [behind] = await ssh.offered("127.0.0.1", bastion.gateway.port, announced=True)
    assert (symptom.level, symptom.finding.key) == (Level.GOOD, "doctor.ssh_algorithms.blamed")
    assert unheard.level is Level.UNDONE, "a header that nobody asked for is no SSH"
    assert (behind.level, behind.finding) == (symptom.level, symptom.finding)
    assert "ecdh-sha2-nistp256" in str(symptom.finding.arguments["algorithms"])
