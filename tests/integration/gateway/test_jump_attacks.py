"""ssh -J as an attack: another device, an address, the gateway itself, a missing factor, a flood, a stolen name."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from policy.domain.access import RevocationScope
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.jump import Laptop
from tests.support.raw_client import logged_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

OPENINGS = 1000


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window, that knows its own name."""
    async with running_bastion(tmp_path, names=("127.0.0.1", "bastion.example")) as running:
        yield running


@pytest.fixture
def laptop(bastion: Bastion) -> Laptop:
    """A machine that believes the host CA and nothing else."""
    return Laptop(bastion)


async def refusals(bastion: Bastion) -> list[dict[str, Any]]:
    """Return what the journal says of refused channels."""
    return [dict(entry.event.details) for entry in await bastion.written("channel.refused")]


@pytest.mark.parametrize(
    ("destination", "port", "reason"),
    [
        ("127.0.0.1", 22, "refused.jump-address"),
        ("127.0.0.1", None, "refused.jump-port"),
        ("[::1]", 22, "refused.jump-address"),
        ("[::ffff:127.0.0.1]", 22, "refused.jump-address"),
        ("[::ffff:127.0.0.1]", None, "refused.jump-port"),
        ("[fe80::1%lo]", 22, "refused.jump-address"),
        ("localhost", 22, "refused.jump-self"),
        ("localhost", None, "refused.jump-port"),
        ("bastion.example", 22, "refused.jump-self"),
        ("BASTION.example.", 22, "refused.jump-self"),
        ("SCAN01", 22, "refused.jump-name"),
        ("scan01;id", 22, "refused.jump-name"),
        ("scan01", 23, "refused.jump-port"),
        ("nothere", None, "refused.jump-port"),
    ],
)
async def test_no_road_leads_anywhere_but_to_a_device(
    bastion: Bastion, laptop: Laptop, destination: str, port: int | None, reason: str
) -> None:
    """Addresses, mapped ones, the gateway and what is no device's name or port open nothing, and are journalled."""
    wanted = f"{destination}:{bastion.device.port if port is None else port}"
    command = ["ssh", *laptop.files, "-p", str(bastion.gateway.port), "-W", wanted, "alice@127.0.0.1"]
    ended = await laptop.run([*command, "-o", "LogLevel=INFO"])
    assert ended.rc == 255
    assert "administratively prohibited" in ended.said
    assert ended.stdout == b""
    assert [(one["request"], one["reason"]) for one in await refusals(bastion)] == [("direct-tcpip", reason)]
    assert "Connection from" not in bastion.device.log()


async def test_a_forbidden_device_reads_like_one_that_is_not_there(bastion: Bastion, laptop: Laptop) -> None:
    """Jumping to an unknown device and to somebody else's gives the same words and the same certificate."""
    await bastion.world.add_device("mri02")
    forbidden = await laptop.run(laptop.ssh("maint@mri02", "id"))
    unknown = await laptop.run(laptop.ssh("maint@nothere", "id"))
    assert forbidden.rc == unknown.rc == 1
    assert forbidden.said == unknown.said
    assert "PGSSIS-O3" in unknown.said
    assert "RSSI, poste 4242" in unknown.said
    assert bastion.sessions() == []


async def test_an_account_that_is_not_hers_is_refused_with_its_rule(bastion: Bastion, laptop: Laptop) -> None:
    """The inner user name is an account like that of the login name: another one is refused with T9."""
    ended = await laptop.run(laptop.ssh("root@scan01", "id"))
    assert ended.rc == 1
    assert "PGSSIS-T9" in ended.said
    denied = [dict(entry.event.details) for entry in await bastion.events("access.denied")]
    assert [(one["account"], one["jumped"]) for one in denied] == [("root", True)]
    assert bastion.sessions() == []


@pytest.mark.parametrize("account", ["MAINT", "maint+scan01", "é"])
async def test_a_user_name_that_is_no_account_is_told_so(
    bastion: Bastion, laptop: Laptop, account: str
) -> None:
    """What cannot be an account's name opens nothing: the banner of the inner leg says what belongs there, twice."""
    ended = await laptop.run(laptop.ssh("scan01", "id", options=["-l", account, "-o", "LogLevel=INFO"]))
    assert ended.rc == 255
    assert "compte dédié" in ended.said
    assert "dedicated account" in ended.said
    assert "RSSI, poste 4242" in ended.said
    assert [one["reason"] for one in await refusals(bastion)] == ["refusal.jump-account"]
    assert bastion.sessions() == []


async def test_another_account_than_the_log_ins_is_refused(bastion: Bastion, laptop: Laptop) -> None:
    """A log-in that names an account does not become another one's by a jump."""
    loud = ["-o", "LogLevel=INFO"]
    ended = await laptop.run(laptop.ssh("root@scan01", "id", login="alice+scan01+maint", options=loud))
    assert ended.rc == 255
    assert "maint" in ended.said
    assert "compte" in ended.said
    assert "account" in ended.said
    assert [one["reason"] for one in await refusals(bastion)] == ["refusal.jump-other-account"]
    assert bastion.sessions() == []


async def test_a_log_in_for_one_device_leads_to_no_other(bastion: Bastion, laptop: Laptop) -> None:
    """Alice+scan01 reaches scan01 alone, whatever other window is open to her."""
    other = await bastion.world.add_device("mri02")
    await bastion.world.add_window(devices=[other.id])
    ended = await laptop.run(laptop.ssh("maint@mri02", "id", login="alice+scan01"))
    assert ended.rc == 255
    assert [one["reason"] for one in await refusals(bastion)] == ["refused.jump-other"]


async def test_a_key_alone_opens_no_jump(bastion: Bastion, laptop: Laptop, tmp_path: Path) -> None:
    """With one factor the outer hop stays shut, and there is no inner one to try."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    world = bastion.world
    await world.services.people.add_key(
        world.who("alice"), world.id, world.who("alice"), key.export_public_key().decode()
    )
    laptop.config.write_text(
        f"Match host 127.0.0.1\n    IdentityFile {tmp_path}/id\n    PreferredAuthentications publickey\n"
        f"Match all\n{laptop.config.read_text()}"
    )
    ended = await laptop.run(laptop.ssh("maint@scan01", "id"), answers=[])
    assert ended.rc == 255
    assert ended.stdout == b""
    assert await bastion.events("session.opened") == []


async def test_a_device_is_no_stepping_stone(bastion: Bastion, laptop: Laptop) -> None:
    """A jump through a jump is refused, told, and in the trace of the session it started from."""
    other = await bastion.world.add_device("mri02")
    await bastion.world.add_window(devices=[other.id])
    control = bastion.directory / "inner"
    laptop.more(f"Match host scan01\n    ControlPath {control}\n")
    first = await bastion.client.start(
        laptop.ssh("maint@scan01", "echo up; cat", options=["-M"]), answers=bastion.answers()
    )
    assert first.stdout is not None
    assert await asyncio.wait_for(first.stdout.readline(), 60) == b"up\n"
    ended = await laptop.run(["ssh", *laptop.files, "-W", "mri02:22", "maint@scan01"], answers=[])
    assert ended.rc != 0
    assert first.stdin is not None
    first.stdin.close()
    await asyncio.wait_for(first.wait(), 60)
    await bastion.closed()
    refused = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.REFUSED]
    assert [one["reason"] for one in refused] == ["refused.jump-nested"]
    assert len(await bastion.events("session.opened")) == 1


async def test_a_certificate_is_for_the_name_that_was_typed(bastion: Bastion, laptop: Laptop) -> None:
    """A client that wants mri02 and is led to scan01 does not accept what it is shown: nothing is typed to it."""
    outer = f"ssh {shlex.join(laptop.files)} -p {bastion.gateway.port} -W scan01:22 alice@127.0.0.1"
    ended = await laptop.run(["ssh", *laptop.files, "-o", f"ProxyCommand={outer}", "maint@mri02", "id"])
    assert ended.rc == 255
    assert "Host key verification failed" in ended.said
    assert bastion.sessions() == []


async def test_the_ca_is_believed_for_the_names_it_was_given_for(bastion: Bastion) -> None:
    """A client whose one line names the gateway and scan01 asks about no other host: it refuses."""
    laptop = Laptop(bastion, hosts=f"[127.0.0.1]:{bastion.gateway.port},scan01")
    served = await laptop.run(laptop.ssh("maint@scan01", "echo ok"))
    assert served.stdout == b"ok\n", served.said
    ended = await laptop.run(laptop.ssh("maint@mri02", "id"))
    assert ended.rc == 255
    assert "Host key verification failed" in ended.said


async def test_a_cut_ends_what_came_by_a_jump(bastion: Bastion, laptop: Laptop) -> None:
    """A cut is read on the inner leg, which closes; the device's processes are gone."""
    command = laptop.ssh("maint@scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        world = bastion.world
        await world.services.revocations.cut(
            world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "Un incident"
        )
        await terminal.expect(b"Un incident")
        assert await terminal.wait() == 255
    await bastion.closed()
    await eventually(lambda: not bastion.device.processes())


async def test_after_a_cut_the_outer_log_in_is_spent(
    bastion: Bastion, laptop: Laptop, tmp_path: Path
) -> None:
    """A cut closes the connection that the jump went by: the next one needs a password and a code again."""
    control = tmp_path / "m"
    master = ["ssh", *laptop.files, "-M", "-N", "-S", str(control), "-p", str(bastion.gateway.port)]
    process = await bastion.client.start([*master, "alice@127.0.0.1"], answers=bastion.answers())
    await eventually(control.exists)
    laptop.more(f"Match host 127.0.0.1\n    ControlPath {control}\n")
    inner = await bastion.client.start(laptop.ssh("maint@scan01", "echo up; sleep 60"))
    assert inner.stdout is not None
    assert await asyncio.wait_for(inner.stdout.readline(), 60) == b"up\n"
    world = bastion.world
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "Un incident"
    )
    assert await asyncio.wait_for(inner.wait(), 60) == 255
    assert await asyncio.wait_for(process.wait(), 60) == 255
    again = await laptop.run(laptop.ssh("maint@scan01", "id"), answers=[])
    assert again.rc == 255
    assert len(await bastion.events("session.opened")) == 1


async def test_the_windows_end_ends_a_transfer_by_a_jump(
    bastion: Bastion, laptop: Laptop, tmp_path: Path
) -> None:
    """A window that ends in the middle of a stream closes the inner leg within seconds, and says why."""
    flood = await bastion.client.start(laptop.ssh("maint@scan01", "cat /dev/zero"), answers=bastion.answers())
    assert flood.stdout is not None
    await asyncio.wait_for(flood.stdout.readexactly(1 << 20), 60)
    bastion.clock.advance(timedelta(hours=2))
    _, err = await asyncio.wait_for(flood.communicate(), 60)
    assert flood.returncode == 255
    assert "plage" in err.decode()
    await bastion.closed()
    await eventually(lambda: bastion.gateway.connections == 0)


async def test_a_suspended_person_opens_nothing_more(
    bastion: Bastion, laptop: Laptop, tmp_path: Path
) -> None:
    """Somebody suspended after her log-in jumps nowhere: policy is asked again for every jump."""
    control = tmp_path / "m"
    master = ["ssh", *laptop.files, "-M", "-N", "-S", str(control), "-p", str(bastion.gateway.port)]
    process = await bastion.client.start([*master, "alice@127.0.0.1"], answers=bastion.answers())
    try:
        await eventually(control.exists)
        world = bastion.world
        await world.services.people.suspend(world.who("dsi"), world.id, world.who("alice"), reason="parti")
        laptop.more(f"Match host 127.0.0.1\n    ControlPath {control}\n")
        ended = await laptop.run(laptop.ssh("maint@scan01", "id"), answers=[])
    finally:
        process.terminate()
        await process.wait()
    assert ended.rc == 1
    assert "suspend" in ended.said
    assert await bastion.events("session.opened") == []
    assert len(await bastion.events("access.denied")) == 1


@pytest.mark.parametrize("port", [22, 23])
async def test_a_thousand_roads_are_bounded(bastion: Bastion, port: int) -> None:
    """A thousand openings: eight stay at most, and the flood is hung up on; the next log-in is served."""
    async with logged_in(bastion, "alice") as connection:

        async def open_one() -> bool:
            try:
                await connection.open_connection("scan01", port)
            except (asyncssh.ChannelOpenError, ConnectionError, BrokenPipeError):
                return False
            return True

        opened = await asyncio.wait_for(asyncio.gather(*(open_one() for _ in range(OPENINGS))), 60)
        assert sum(opened) == (bastion.gateway.settings.max_inner_connections if port == 22 else 0)
        await asyncio.wait_for(connection.wait_closed(), 60)
    await eventually(lambda: bastion.gateway.connections == 0)
    reasons = [one["reason"] for one in await refusals(bastion)]
    assert set(reasons) <= {"refused.jump-many", "refused.jump-port"}
    assert reasons.count("refused.jump-port") <= bastion.gateway.settings.max_inner_connections
    ended = await bastion.client.ssh("alice+scan01", "echo served", answers=bastion.answers())
    assert ended.stdout == b"served\n", ended.said


async def test_an_inner_connection_that_says_nothing_is_closed(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inner connection that does not finish its log-in has the same grace as any other, then it is closed."""
    jumps = bastion.gateway._door.jumps
    assert jumps is not None
    assert jumps._options.login_timeout == bastion.gateway.settings.login_grace_seconds
    async with logged_in(bastion, "alice") as connection:
        monkeypatch.setattr(jumps._options, "login_timeout", 0.5)
        reader, _ = await connection.open_connection("scan01", 22)
        assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"SSH-2.0-")
        await asyncio.wait_for(reader.read(), 30)
        await eventually(lambda: bastion.gateway.connections == 1)
