"""Hostile use of the SSH protocol after a log-in: what one person does to her connection is felt by nobody else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.packet import String

from tests.support.bastion import Bastion, running_bastion
from tests.support.raw_client import channel, logged_in

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path, max_channels=16) as running:
        yield running


async def echoed(opened: Any, heard: Any, word: bytes) -> None:
    """Send *word* to a ``cat`` on the device and wait for it to come back."""
    opened.write(word)
    assert word in await heard.until(word)


async def test_a_thousand_channels_are_some_that_open_and_many_that_do_not(bastion: Bastion) -> None:
    """Beyond the limit each opening is refused with its reason, and those that are open go on."""
    async with logged_in(bastion) as connection:
        opened = [await channel(connection, command="cat") for _ in range(16)]
        reasons = set()
        for _ in range(1000 - len(opened)):
            with pytest.raises(asyncssh.ChannelOpenError) as refused:
                await channel(connection, command="cat")
            reasons.add((refused.value.code, refused.value.reason))
        assert [code for code, _ in reasons] == [asyncssh.OPEN_RESOURCE_SHORTAGE]
        for number, (each, heard) in enumerate(opened):
            await echoed(each, heard, b"still %d\n" % number)
        opened[0][0].close()
        await opened[0][1].closed.wait()
        await echoed(*await channel(connection, command="cat"), b"one more\n")


async def test_more_than_the_window_ends_the_connection(bastion: Bastion) -> None:
    """Data beyond what was granted is a violation (RFC 4254 section 5.2): no byte of it waits in memory."""
    async with logged_in(bastion) as other, logged_in(bastion) as connection:
        quiet = await channel(other, command="cat")
        hostile, heard = await channel(connection, command="sleep 60")
        for _ in range(500):  # 15 MiB, against a window of two
            hostile.send_packet(MSG_CHANNEL_DATA, String(b"x" * 32000))
        async with asyncio.timeout(60):
            await heard.closed.wait()
            await connection.wait_closed()
        await echoed(*quiet, b"untouched\n")


async def test_keys_renewed_without_a_pause_harm_nobody(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that renews its keys after every packet works on, slowly, and another's session does not notice."""
    renewals = 0

    def counted() -> None:
        nonlocal renewals
        renewals += 1
        type(connection)._send_kexinit(connection)

    async with logged_in(bastion) as other, logged_in(bastion) as connection:
        quiet = await channel(other, command="cat")
        busy = await channel(connection, command="cat")
        connection._rekey_bytes = 1
        monkeypatch.setattr(connection, "_send_kexinit", counted)
        for number in range(25):
            await echoed(*busy, b"renewed %d\n" % number)
            await echoed(*quiet, b"meanwhile %d\n" % number)
    assert renewals >= 25
