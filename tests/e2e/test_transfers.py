"""Files through the whole bastion: both ways, by every stock client, each named in the trace with its digest."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, output
from tests.support.ssh_client import Finished
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

PLACE = "alice+scan01@127.0.0.1"
SIZE = 3_000_017


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """A file of three megabytes that no compressor can make."""
    path = tmp_path / "sent.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


async def carry(bastion: Bastion, program: str, *arguments: str, batch: str = "") -> Finished:
    """Run sftp or scp with *arguments*, logged in as alice."""
    command = [program, *bastion.client.options(), "-P", str(bastion.gateway.port), *arguments]
    return await bastion.client.run(command, input=batch.encode(), answers=bastion.answers())


async def rsync(bastion: Bastion, *arguments: str) -> Finished:
    """Run rsync over ssh, logged in as alice."""
    shell = " ".join(["ssh", *bastion.client.options(), "-p", str(bastion.gateway.port)])
    return await bastion.client.run(["rsync", "-e", shell, *arguments], answers=bastion.answers())


async def allow(bastion: Bastion, *channels: Channel) -> None:
    """Replace the open window by one for *channels*."""
    dsi = bastion.world.who("dsi")
    await bastion.world.services.windows.cancel(
        dsi, bastion.world.id, bastion.world.window.id, reason="other channels"
    )
    await bastion.world.add_window(channels=channels)


async def noted(bastion: Bastion) -> list[dict[str, Any]]:
    """Return the file operations of all traces, in order."""
    await bastion.closed()
    frames = [frame for session in bastion.sessions() for frame in await bastion.frames(session)]
    return [facts(frame) for frame in frames if frame.type is FrameType.FILE]


async def sha256sum(bastion: Bastion, *files: Path) -> list[str]:
    """Return the digests that the system's own program gives."""
    ended = await bastion.client.run(["sha256sum", *map(str, files)])
    return [line.split()[0] for line in ended.stdout.decode().splitlines()]


def only(operations: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the one finished operation *name* among *operations*."""
    (found,) = [one for one in operations if one["op"] == name and one["phase"] == "done"]
    return found


@pytest.mark.parametrize(
    "client",
    [
        pytest.param("sftp", marks=pytest.mark.client("OpenSSH sftp", "password + code", "sftp")),
        pytest.param("scp", marks=pytest.mark.client("OpenSSH scp", "password + code", "sftp")),
        pytest.param("scp -O", marks=pytest.mark.client("OpenSSH scp -O", "password + code", "command")),
    ],
)
async def test_a_file_goes_and_comes_back(bastion: Bastion, sent: Path, tmp_path: Path, client: str) -> None:
    """The three files are the same for sha256sum, whose digest stands in the trace each way, with the size."""
    back = tmp_path / "back.bin"
    if client == "sftp":
        up = await carry(bastion, "sftp", PLACE, batch=f"put {sent} there.bin\n")
        down = await carry(bastion, "sftp", PLACE, batch=f"get there.bin {back}\n")
    else:
        program, *mode = client.split()
        up = await carry(bastion, program, *mode, str(sent), f"{PLACE}:there.bin")
        down = await carry(bastion, program, *mode, f"{PLACE}:there.bin", str(back))
    assert (up.rc, down.rc) == (0, 0), up.said + down.said
    digests = await sha256sum(bastion, sent, bastion.device.home / "there.bin", back)
    assert len(set(digests)) == 1
    operations = await noted(bastion)
    for name in ("upload", "download"):
        done = only(operations, name)
        assert (done["sha256"], done["size"], done["result"]) == (digests[0], SIZE, "ok")
        assert "there.bin" in (done["path"], done.get("target"), Path(done["path"]).name)


async def test_a_tree_keeps_its_shape(bastion: Bastion, tmp_path: Path) -> None:
    """Folders, an empty file, spaces and accents go by sftp and come back by scp; each file has its digest."""
    tree = tmp_path / "tree"
    (tree / "Dossier été").mkdir(parents=True)
    (tree / "empty").write_bytes(b"")
    (tree / "Dossier été" / "a 'b' $c").write_bytes(b"hello")
    up = await carry(bastion, "sftp", PLACE, batch=f"put -r {tree}\n")
    down = await carry(bastion, "scp", "-r", f"{PLACE}:tree", str(tmp_path / "back"))
    assert (up.rc, down.rc) == (0, 0), up.said + down.said
    found = {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*")}
    assert found == {"empty", "Dossier été", "Dossier été/a 'b' $c"}
    digests = await sha256sum(bastion, tree / "empty", tree / "Dossier été" / "a 'b' $c")
    operations = await noted(bastion)
    for name in ("upload", "download"):
        assert {one["sha256"] for one in operations if one["op"] == name and one["phase"] == "done"} == set(
            digests
        )


@pytest.mark.client("rsync", "password + code", "command")
async def test_rsync_goes_and_comes_back(bastion: Bastion, sent: Path, tmp_path: Path) -> None:
    """Rsync carries a tree both ways, then only what changed; its stream is in the trace as it passed."""
    tree, back = tmp_path / "tree", tmp_path / "back"
    tree.mkdir()
    shutil.copy(sent, tree / "one")
    (tree / "deux été").write_bytes(b"hello")
    first = await rsync(bastion, "-a", f"{tree}/", f"{PLACE}:copy/")
    (tree / "deux été").write_bytes(b"hello again")
    second = await rsync(bastion, "-a", "--checksum", "-i", f"{tree}/", f"{PLACE}:copy/")
    third = await rsync(bastion, "-a", f"{PLACE}:copy/", f"{back}/")
    assert (first.rc, second.rc, third.rc) == (0, 0, 0), first.said + second.said + third.said
    assert second.stdout.decode().count("<f") == 1
    assert (back / "one").read_bytes() == sent.read_bytes()
    assert (back / "deux été").read_bytes() == b"hello again"
    await bastion.closed()
    passed = [await bastion.frames(session) for session in bastion.sessions()]
    assert any(b"hello again" in output(frames, FrameType.INPUT) for frames in passed)
    assert any(b"hello again" in output(frames) for frames in passed)


async def test_a_broken_upload_is_told_as_unfinished(bastion: Bastion, sent: Path) -> None:
    """Where the client dies in mid-upload, the trace says unfinished, with the bytes that did pass."""
    command = [
        "sftp", *bastion.client.options(), "-l", "2000", "-P", str(bastion.gateway.port), PLACE,
    ]  # fmt: skip
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdin is not None
    process.stdin.write(f"put {sent} there.bin\n".encode())
    there = bastion.device.home / "there.bin"
    await eventually(lambda: there.exists() and there.stat().st_size > 0)
    process.kill()
    await process.wait()
    done = only(await noted(bastion), "upload")
    assert done["result"] == "unfinished"
    assert 0 < done["size"] < SIZE


async def test_without_the_way_down_nothing_comes_back(bastion: Bastion, sent: Path, tmp_path: Path) -> None:
    """Under a window for uploads: sftp's get, scp both modes and rsync bring nothing, each refusal told and noted."""
    await allow(bastion, Channel.SFTP_UP)
    (bastion.device.home / "kept.bin").write_bytes(sent.read_bytes())
    got = tmp_path / "got.bin"
    one = await carry(bastion, "sftp", PLACE, batch=f"put {sent} up.bin\n-get kept.bin {got}\nls -l\n")
    assert one.rc == 0, one.said
    assert "ermission denied" in one.said
    assert one.said.count("cette plage ne permet pas de récupérer des fichiers") == 1
    assert "À faire par le planificateur" in one.said
    assert b"up.bin" in one.stdout
    for refused in (
        await carry(bastion, "scp", f"{PLACE}:kept.bin", str(got)),
        await carry(bastion, "scp", "-O", f"{PLACE}:kept.bin", str(got)),
        await rsync(bastion, f"{PLACE}:kept.bin", str(got)),
    ):
        assert refused.rc != 0
    assert not got.exists() or got.read_bytes() == b""
    operations = await noted(bastion)
    assert only(operations, "upload")["result"] == "ok"
    refused_reads = [each for each in operations if each["phase"] == "refused"]
    assert {Path(each["path"]).name for each in refused_reads} == {"kept.bin"}
    assert {each["op"] for each in refused_reads} == {"open"}


async def test_without_the_way_up_nothing_changes(bastion: Bastion, sent: Path, tmp_path: Path) -> None:
    """Under a window for downloads: no client creates, truncates, renames, removes or links anything."""
    await allow(bastion, Channel.SFTP_DOWN)
    kept = bastion.device.home / "kept.bin"
    kept.write_bytes(b"precious")
    batch = f"-put {sent} kept.bin\n-put {sent} new.bin\n-rename kept.bin x\n-rm kept.bin\n-mkdir d\n"
    batch += f"-chmod 777 kept.bin\n-ln -s kept.bin l\nget kept.bin {tmp_path / 'got.bin'}\n"
    before = sorted(path.name for path in bastion.device.home.iterdir())
    one = await carry(bastion, "sftp", PLACE, batch=batch)
    assert one.rc == 0, one.said
    assert one.said.count("cette plage ne permet pas d’envoyer des fichiers") == 1
    for refused in (
        await carry(bastion, "scp", str(sent), f"{PLACE}:new.bin"),
        await carry(bastion, "scp", "-O", str(sent), f"{PLACE}:new.bin"),
        await rsync(bastion, str(sent), f"{PLACE}:new.bin"),
    ):
        assert refused.rc != 0
    assert kept.read_bytes() == b"precious"
    assert sorted(path.name for path in bastion.device.home.iterdir()) == before
    assert (tmp_path / "got.bin").read_bytes() == b"precious"


async def test_a_window_for_files_carries_them_by_every_client(
    bastion: Bastion, sent: Path, tmp_path: Path
) -> None:
    """Without the right to run commands the exact forms of scp -O, rsync and sftp still pass, both ways."""
    await allow(bastion, Channel.SFTP_UP, Channel.SFTP_DOWN)
    back = tmp_path / "back.bin"
    for number, ended in enumerate(
        (
            await carry(bastion, "scp", "-O", str(sent), f"{PLACE}:there.bin"),
            await carry(bastion, "scp", "-O", f"{PLACE}:there.bin", str(back)),
            await rsync(bastion, "-az", str(sent), f"{PLACE}:rsync.bin"),
            await rsync(bastion, "-az", f"{PLACE}:rsync.bin", str(tmp_path / "rsync.bin")),
        )
    ):
        assert ended.rc == 0, (number, ended.said)
    assert back.read_bytes() == sent.read_bytes() == (tmp_path / "rsync.bin").read_bytes()
