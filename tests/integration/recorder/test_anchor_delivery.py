"""Checkpoints told to other places: in order, once where it works, again where it did not, and one alarm an outage."""

import base64
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from ecluse.demo.ports import free_port
from recorder.proof.anchor_bucket import AnchorBucket
from recorder.proof.anchors import read
from recorder.proof.delivery import (
    CAUGHT_UP,
    FAILED,
    LATE_AFTER,
    AnchorFile,
    AnchorSyslog,
    Delivery,
    StoreCopy,
    Target,
)
from recorder.proof.notary import Notary
from recorder.seal.signing import generate_key
from recorder.store.bucket import Bucket
from recorder.store.database import Database
from recorder.store.folder import FolderStore
from tests.support import s3
from tests.support.schemas import trace_schema
from tests.support.traces import HOSPITAL, SteppingClock
from tests.support.waiting import until

pytestmark = pytest.mark.integration


RSYSLOG = """
module(load="imtcp")
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="anchors")
ruleset(name="anchors" queue.type="Direct") {{
    action(type="omfile" file="{written}" template="RSYSLOG_FileFormat")
}}
"""


@contextmanager
def rsyslog(folder: Path, port: int, written: Path) -> Iterator[None]:
    """A real rsyslogd that takes TCP and writes a file."""
    (folder / "rsyslog.conf").write_text(RSYSLOG.format(port=port, written=written))
    program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin") or "rsyslogd"
    command = [program, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid"), "-C"]
    wanted = f":{port:04X} 00000000:0000 0A "
    with subprocess.Popen(command) as running:
        try:
            until(lambda: wanted in Path("/proc/net/tcp").read_text(), "rsyslogd does not listen")
            yield
        finally:
            running.terminate()


class Desk:
    """A hospital's notary, and what its delivery alarmed about."""

    def __init__(self, folder: Path) -> None:
        self.clock = SteppingClock()
        self.database = Database(f"sqlite:///{folder}/traces.db")
        key = generate_key(folder / "checkpoint.pem")
        self.notary = Notary(self.database, key, hospital_id=HOSPITAL, node="console", now=self.clock)
        self.alarms: list[tuple[str, object]] = []

    def delivery(self, *targets: Target) -> Delivery:
        """A delivery to these, as a console that was just started has it."""
        return Delivery(self.database, HOSPITAL, targets, tell=self._tell, now=self.clock)

    async def _tell(self, name: str, facts: dict[str, object]) -> None:
        self.alarms.append((name, facts["target"]))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A hospital without checkpoints."""
    await trace_schema(f"sqlite:///{tmp_path}/traces.db")
    made = Desk(tmp_path)
    yield made
    await made.database.dispose()


def sequences(path: Path) -> list[int]:
    """Numbers of the anchors in a file."""
    return [anchor.sequence for anchor in read(path.read_text().splitlines())]


async def test_each_checkpoint_is_added_to_the_file_once_and_in_order(desk: Desk, tmp_path: Path) -> None:
    """Whatever was there stays, a console started anew repeats nothing, and the digests are those of the checkpoints."""
    target = AnchorFile(tmp_path / "anchors")
    target.path.write_text("from before\n")
    made = await desk.notary.make(force=True)
    assert await desk.delivery(target).deliver() == {}
    made += await desk.notary.make(force=True)
    made += await desk.notary.make(force=True)
    for _ in range(2):
        assert await desk.delivery(target).deliver() == {}
    lines = target.path.read_text().splitlines()
    assert lines[0] == "from before"
    assert [one.digest for one in read(lines)] == [one.digest for one in made]
    assert sequences(target.path) == [1, 2, 3]


async def test_what_could_not_be_handed_over_is_tried_again_with_one_alarm_and_holds_up_no_other(
    desk: Desk, tmp_path: Path
) -> None:
    """A mount that is away for an hour is told once; the other place gets its anchors; back again, nothing is missing."""
    away, there = AnchorFile(tmp_path / "mount" / "anchors", "away"), AnchorFile(tmp_path / "anchors")
    delivery = desk.delivery(away, there)
    await desk.notary.make(force=True)
    assert list(await delivery.deliver()) == ["away"]
    assert desk.alarms == []
    desk.clock.at += LATE_AFTER
    await desk.notary.make(force=True)
    for _ in range(2):
        assert list(await delivery.deliver()) == ["away"]
    assert desk.alarms == [(FAILED, "away")]
    assert sequences(there.path) == [1, 2]
    away.path.parent.mkdir()
    assert await delivery.deliver() == {}
    assert sequences(away.path) == [1, 2]
    away.path.unlink()
    away.path.mkdir()
    await desk.notary.make(force=True)
    await delivery.deliver()
    desk.clock.at += LATE_AFTER
    await delivery.deliver()
    assert desk.alarms == [(FAILED, "away"), (CAUGHT_UP, "away"), (FAILED, "away")]


@pytest.mark.parametrize("scheme", ["unix", "udp", "tcp"])
async def test_a_syslog_gets_each_anchor_as_one_message(desk: Desk, tmp_path: Path, scheme: str) -> None:
    """RFC 5424 by a socket of the machine, by UDP, or by TCP with octet counting; the line is read back as an anchor."""
    [made] = await desk.notary.make(force=True)
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as server:
        server.settimeout(60)
        server.bind(str(tmp_path / "log") if scheme == "unix" else ("127.0.0.1", 0))
        place = f"unix:{tmp_path}/log"
        if scheme != "unix":
            place = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        if scheme == "tcp":
            server.listen()
        assert await desk.delivery(AnchorSyslog(place, "bastion-1")).deliver() == {}
        if scheme == "tcp":
            way, _ = server.accept()
            with way:
                way.settimeout(60)
                taken = b"".join(iter(lambda: way.recv(4096), b""))
            length, _, message = taken.partition(b" ")
            assert int(length) == len(message)
        else:
            message = server.recv(4096)
    assert message.startswith(b"<110>1 2026-03-29T")
    assert b" bastion-1 ecluse - anchor - {" in message
    [anchor] = read([message.decode()])
    assert (anchor.sequence, anchor.digest, anchor.hospital_id) == (1, made.digest, HOSPITAL)


async def test_the_store_holds_each_checkpoint_with_its_signature_and_its_stamps(
    desk: Desk, tmp_path: Path
) -> None:
    """A stamp that comes later follows; the copies are the bytes that were signed, and no trace is among them."""
    store = FolderStore(tmp_path / "store")
    delivery = desk.delivery(StoreCopy(HOSPITAL, store))
    [first] = await desk.notary.make(force=True)
    assert await delivery.deliver() == {}
    [second] = await desk.notary.make(force=True)
    values = {"hospital": HOSPITAL, "token": base64.b64encode(b"stamp").decode()}
    async with desk.database.write() as connection:
        await connection.execute(
            text("INSERT INTO checkpoint_stamps VALUES (:hospital, 1, 'tsa', 0, :token)"), values
        )
    for _ in range(2):
        assert await delivery.deliver() == {}
    place = tmp_path / "store" / HOSPITAL / "checkpoints" / "2026"
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        "0000000001.json": first.content,
        "0000000001.sig": first.signature,
        "0000000001.tsa.tsr": b"stamp",
        "0000000002.json": second.content,
        "0000000002.sig": second.signature,
    }
    assert store.sessions(HOSPITAL) == []


async def test_a_bucket_keeps_anchors_locked_and_none_is_lost_while_it_is_away(
    desk: Desk, tmp_path: Path
) -> None:
    """One object a checkpoint, under retention, by credentials that may add and nothing else."""
    told = s3.settings(tmp_path / "cache", f"anchors/{uuid4().hex}")
    target = AnchorBucket(told, retention=timedelta(seconds=30), now=lambda: datetime.now(UTC))
    made = await desk.notary.make(force=True)
    assert await desk.delivery(target).deliver() == {}
    made += await desk.notary.make(force=True)
    nobody = AnchorBucket(replace(told, endpoint="http://127.0.0.1:1"), retention=timedelta(), now=desk.clock)
    assert list(await desk.delivery(nobody).deliver()) == ["bucket"]
    assert await desk.delivery(target).deliver() == {}
    bucket = Bucket(told)
    keys = [one.key for one in bucket.listed(f"{told.prefix}/")]
    found = read([bucket.read(key, 0, 4096).decode() for key in keys])
    assert [anchor.digest for anchor in found] == [one.digest for one in made]
    assert bucket.lock(keys[0]).retain_until is not None


async def test_a_real_rsyslog_writes_lines_that_are_read_back_as_anchors(desk: Desk, tmp_path: Path) -> None:
    """What rsyslogd makes of the messages, with its own date and host before them, is a file of anchors."""
    made = await desk.notary.make(force=True) + await desk.notary.make(force=True)
    port, written = free_port(), tmp_path / "anchors.log"
    with rsyslog(tmp_path, port, written):
        target = AnchorSyslog(f"tcp://127.0.0.1:{port}", "bastion-1")
        assert await desk.delivery(target).deliver() == {}
        until(lambda: written.exists() and len(written.read_text().splitlines()) == 2, "no lines")
    lines = written.read_text().splitlines()
    assert [anchor.digest for anchor in read(lines)] == [one.digest for one in made]
    assert not lines[0].startswith("{")


async def test_a_syslog_that_does_not_listen_is_a_failure(desk: Desk, tmp_path: Path) -> None:
    """Nobody at the socket or the port: it is said, and nothing counts as delivered."""
    await desk.notary.make(force=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        for place in (f"unix:{tmp_path}/none", nobody):
            failed = await desk.delivery(AnchorSyslog(place, "bastion-1")).deliver()
            assert list(failed) == ["syslog"]
