"""OpenSSH renews its keys in the middle of a transfer: every byte arrives, both ways, under each cipher we offer."""

import asyncio
import random

import pytest

from recorder.trace.frames import FrameType
from tests.support.bastion import Bastion, output

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr"])
async def test_a_stream_outlives_many_renewals(bastion: Bastion, cipher: str) -> None:
    """Random bytes sent to `cat` come back whole over a dozen key renewals, and the trace has the same bytes."""
    sent = random.Random(cipher).randbytes(6_000_000)
    options = ["-o", "RekeyLimit=500K", "-o", f"Ciphers={cipher}"]
    command = bastion.client.command("alice+scan01", "cat", options=options)
    process = await bastion.client.start(command, answers=bastion.answers())
    back, said = await asyncio.wait_for(process.communicate(sent), 60)
    assert process.returncode == 0, said
    assert back == sent
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == sent
    assert output(frames, FrameType.INPUT) == sent
