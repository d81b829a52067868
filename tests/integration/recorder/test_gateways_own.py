"""What somebody has who took the gateway over: every file that its user can read, the growing tails among them."""

import asyncio
import base64
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ecluse import composition, settings
from ecluse.sections import Part
from recorder.capture.spool import Recorder
from recorder.errors import ReaderKeyUnusable, TraceSealed
from recorder.replay.reader import TraceReader
from recorder.seal.wrapping import ReaderKey, data_key
from recorder.settings import RecorderSettings
from recorder.store.folder import wall_clock
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from tests.support.installed import init
from tests.support.traces import header, passed, unexpected
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users"),
]
GATEWAY, CONSOLE = 64001, 64002
SECRET = os.urandom(24).hex().encode()
"""Random, so that no compression hides it from who looks for it."""

_LOOT = """
import os, pickle, sys
uid, root = int(sys.argv[1]), sys.argv[2]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
found, denied = {}, []
for folder, _, names in os.walk(root):
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                found[path] = file.read()
        except PermissionError:
            denied.append(path)
sys.stdout.buffer.write(pickle.dumps((found, denied)))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """An installation where other users can enter."""
    with tempfile.TemporaryDirectory(prefix="ecluse-two-users-") as name:
        Path(name).chmod(0o755)
        data = Path(name) / "data"
        init(data)
        yield data


@dataclass
class Taken:
    """What lies there: headers of a live and a closed session, and what the gateway's user can read."""

    live: TraceHeader
    closed: TraceHeader
    found: Mapping[Path, bytes]
    denied: list[Path]


@asynccontextmanager
async def taken(home: Path) -> AsyncIterator[Taken]:
    """An installation for two users, with one session closed and one that goes on, taken over as the gateway's user."""
    told = settings.load(home / "ecluse.toml")
    recorder = Recorder(composition.recorder_settings(told, Part.GATEWAY), node="node1", now=wall_clock)
    await recorder.start()
    try:
        headers = []
        for closing in (False, True):
            opened = header(hospital_id=told.hospital_id)
            recording = await recorder.open(opened, unexpected)
            await passed(recording, FrameType.OUTPUT, 1, SECRET)
            headers.append(opened)
            if closing:
                await recording.close("client_left")
        tails = home / "traces" / "live" / told.hospital_id / headers[0].session_id
        await eventually(lambda: any(path.stat().st_size for path in tails.glob("*")))
        _share_out(home)
        found, denied = await asyncio.to_thread(_looted, home)
        yield Taken(
            headers[0],
            headers[1],
            {Path(path): content for path, content in found.items()},
            [Path(path) for path in denied],
        )
    finally:
        await recorder.stop()


def _looted(home: Path) -> tuple[dict[str, bytes], list[str]]:
    command = [sys.executable, "-I", "-c", _LOOT, str(GATEWAY), str(home)]
    done = subprocess.run(command, capture_output=True, check=True)
    found, denied = pickle.loads(done.stdout)  # noqa: S301 - of our own process
    return found, denied


def _share_out(home: Path) -> None:
    """Give everything to the gateway's user, and the private halves of readers' keys to the console's."""
    for path in (home, *home.rglob("*")):
        os.chown(path, GATEWAY, GATEWAY)
    for path in (home / "keys/readers").glob("*.pem"):
        os.chown(path, CONSOLE, CONSOLE)


async def test_all_that_the_gateways_user_reads_opens_nothing(home: Path) -> None:
    """No file of spool, store, tails, database and keys holds what passed, or a data key; no key among them opens a wrap."""
    async with taken(home) as got:
        assert [path.name for path in got.denied] == ["hospital.pem"]
        kinds = {path.relative_to(home).parts[0] for path in got.found}
        assert {"keys", "spool", "traces", "traces.db"} <= kinds
        assert any("live" in path.parts for path in got.found)
        reader = ReaderKey.load(home / "keys/readers/hospital.pem")
        for told in (got.live, got.closed):
            name = f"{reader.public.key_id}.wrap"
            beside = [path for path in got.found if path.name == name and told.session_id in path.parts]
            assert beside, "the wrap lies beside what it opens"
            folder = next(path.parent for path in beside if any(path.parent.glob("*.ecl")))
            with TraceReader(_trace(folder)) as trace:
                key = data_key(folder, trace.header, [reader])
                with pytest.raises(TraceSealed):
                    list(trace.frames())
            for form in (key, key.hex().encode(), base64.b64encode(key), SECRET):
                assert [str(one) for one, content in got.found.items() if form in content] == []
        opening = [
            path for path, content in got.found.items() if b"PRIVATE KEY" in content and _opens(path, got)
        ]
        assert opening == []


async def test_the_look_would_find_what_lay_open(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without readers, traces are not sealed, and the very same look finds what passed in spool, tail and store."""
    real = composition.recorder_settings

    def unsealed(told: settings.Settings, part: Part = Part.OWNER) -> RecorderSettings:
        return replace(real(told, part), reader_keys=(), reader_folder=None)

    monkeypatch.setattr(composition, "recorder_settings", unsealed)
    async with taken(home) as got:
        places = {
            path.relative_to(home).parts[:2] for path, content in got.found.items() if SECRET in content
        }
        assert {place[0] for place in places} == {"spool", "traces"}
        assert ("traces", "live") in places


def _trace(folder: Path) -> Path:
    whole = folder / "trace.ecl"
    return whole if whole.exists() else folder


def _opens(path: Path, got: Taken) -> bool:
    try:
        key = ReaderKey.load(path)
    except ReaderKeyUnusable:
        return False
    return f"{key.public.key_id}.wrap" in {one.name for one in got.found}
