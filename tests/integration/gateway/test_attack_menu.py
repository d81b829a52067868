"""Floods by somebody who has logged in: of keys in the menu, and of ports that are none, cost policy and memory little."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from gateway.server import lobby, selector
from gateway.server.channel import PersonChannel
from gateway.session.request import ChannelRequest
from policy.domain.access import Opening
from policy.domain.ids import HospitalId, PersonId
from tests.support.bastion import running_bastion
from tests.support.raw_client import channel, logged_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

FLOOD = 300


async def test_a_flood_of_ports_shares_its_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of openings at once towards another device's odd port: policy is asked a few times, not once for each."""
    async with running_bastion(tmp_path) as bastion:
        access, asked = bastion.world.services.access, []
        really = access.openings

        async def counted(hospital_id: HospitalId, person_id: PersonId) -> list[Opening]:
            asked.append(person_id)
            return await really(hospital_id, person_id)

        monkeypatch.setattr(access, "openings", counted)
        async with logged_in(bastion, "alice+scan01") as connection:
            wanted = [connection.open_connection("mri02", 8443) for _ in range(FLOOD)]
            ended = await asyncio.wait_for(asyncio.gather(*wanted, return_exceptions=True), 60)
        assert all(isinstance(one, asyncssh.ChannelOpenError | OSError) for one in ended)
        assert 0 < len(asked) < 10


@pytest.mark.parametrize(
    ("shown", "most"), [({"term_type": "xterm"}, 1), ({"command": "list"}, selector.COMMANDS_AT_ONCE)]
)
async def test_many_channels_share_few_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: dict[str, str], most: int
) -> None:
    """Menus and commands, as many as a connection may have, put a few questions to policy at a time and not one each."""
    async with running_bastion(tmp_path) as bastion:
        access, answered = bastion.world.services.access, asyncio.Event()
        really, serve, came, asked = access.openings, selector.Selector.serve, 0, 0

        async def counted(hospital_id: HospitalId, person_id: PersonId) -> list[Opening]:
            nonlocal asked
            asked += 1
            await answered.wait()
            return await really(hospital_id, person_id)

        async def served(self: selector.Selector, one: PersonChannel, request: ChannelRequest) -> None:
            nonlocal came
            came += 1
            await serve(self, one, request)

        monkeypatch.setattr(access, "openings", counted)
        monkeypatch.setattr(selector.Selector, "serve", served)
        async with logged_in(bastion, "alice") as connection:
            opening = [asyncio.ensure_future(channel(connection, **shown)) for _ in range(20)]
            await eventually(lambda: came == len(opening) and asked >= most)
            assert asked == most
            answered.set()
            for _, heard in await asyncio.gather(*opening):
                await heard.until(b"scan01")


async def test_who_does_not_read_the_menu_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys typed by the thousand, whose answers nobody reads, leave a bounded queue and a bounded buffer."""
    lobbies: list[lobby.Lobby] = []
    really = lobby.Lobby.typed
    longest = unsent = 0

    def watched(self: lobby.Lobby, data: bytes) -> None:
        nonlocal longest, unsent
        unsent = max(unsent, self._channel.channel.get_write_buffer_size())
        really(self, data)
        if self not in lobbies:
            lobbies.append(self)
        longest = max(longest, self._steps.qsize())

    monkeypatch.setattr(lobby.Lobby, "typed", watched)
    async with running_bastion(tmp_path) as bastion, logged_in(bastion, "alice") as connection:
        typing, heard = await channel(connection, term_type="xterm", window=4096)
        await heard.until(b"scan01")
        typing.pause_reading()
        for _ in range(4000):
            typing.write(b"nothere\r")
            await asyncio.sleep(0)
        await eventually(lambda: bool(lobbies) and lobbies[0].to_person.held)
        assert longest <= lobby.AHEAD
        assert 0 < unsent < 100_000
        typing.resume_reading()
        await eventually(lambda: not lobbies[0].to_person.held)
        typing.write(b"\x03")
        await asyncio.wait_for(heard.closed.wait(), 60)
        assert b"nothere" in heard.out
        assert len(heard.out) < 4000 * 80
