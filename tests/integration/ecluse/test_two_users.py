"""An installation for two system users: what each of them reaches, and what neither does."""

import asyncio
import ctypes
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ecluse import composition, settings
from ecluse.installation import Administrator, Users, initialise
from ecluse.ownership import Account, Owners
from ecluse.readers import make_reader
from ecluse.sections import Part
from policy.clock import SystemClock
from policy.vault.keyring import Keyring
from recorder.capture.spool import Recorder
from recorder.store.choice import trace_store
from recorder.store.folder import wall_clock
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.place import MANIFEST, TracePlace
from tests.support.installed import ADMINISTRATORS, init
from tests.support.traces import header, passed, unexpected
from tests.support.waiting import eventually

GATEWAY, CONSOLE, GROUP = Account(64101, 64101), Account(64102, 64102), 64103
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


def as_user(account: Account, do: Callable[[], Any]) -> Any:
    """What *do* returns in a process of that user's, in the group that both share; what it raises is raised here."""
    for late in ("encodings.ascii", "_strptime"):
        import_module(late)  # root's Python may be out of that user's reach: what loads late is loaded before
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            os.setgroups([GROUP])
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.umask(0o077)  # as the programs have it
            try:
                answer: tuple[bool, object] = (True, do())
            except Exception as error:
                answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
            with os.fdopen(writing, "wb") as out:
                pickle.dump(answer, out)
            code = 0
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as back:
        data = back.read()
    os.waitpid(child, 0)
    done, value = pickle.loads(data)  # noqa: S301 - of our own process
    if not done:
        raise value
    return value


@pytest.fixture(scope="module")
def told() -> Iterator[settings.Settings]:
    """The settings of an installation made for two users, where both may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ecluse-two-users-"))
    folder.chmod(0o755)
    try:
        asyncio.run(
            initialise(
                folder / "data",
                hospital="CH de Brive",
                timezone="Europe/Paris",
                security_contact="RSSI, poste 4242",
                administrators=[Administrator.parse(one) for one in ADMINISTRATORS],
                clock=SystemClock(),
                users=Users(
                    gateway="ecluse-gateway", console="ecluse-console", owners=Owners(GATEWAY, CONSOLE, GROUP)
                ),
            )
        )
        yield settings.load(folder / "data/ecluse.toml")
    finally:
        shutil.rmtree(folder)


def recorded(told: settings.Settings) -> tuple[TraceHeader, TraceHeader]:
    """What a gateway that is killed leaves: a session that was closed, and one whose tail grew."""

    async def record() -> tuple[TraceHeader, TraceHeader]:
        recorder = Recorder(composition.recorder_settings(told, Part.GATEWAY), node="node1", now=wall_clock)
        await recorder.start()
        closed, live = (header(hospital_id=told.hospital_id) for _ in range(2))
        for each in (closed, live):
            recording = await recorder.open(each, unexpected)
            await passed(recording, FrameType.OUTPUT, 1, b"hello")
            if each is closed:
                await recording.close("client_left")
        folder = told.trace_folder
        await eventually(lambda: any((folder / TracePlace.of(live).live).glob("*")))
        await eventually((folder / TracePlace.of(closed).folder / MANIFEST).exists)
        return closed, live

    return asyncio.run(record())


@root_only
def test_the_console_s_user_reads_holds_and_removes_what_the_gateway_s_user_recorded(
    told: settings.Settings,
) -> None:
    """A closed trace, one that grows, a hold, new wraps, the removal: each across two users and a umask of 077."""
    closed, live = (TracePlace.of(one) for one in as_user(GATEWAY, lambda: recorded(told)))

    def console() -> tuple[bytes, bytes, int]:
        later = wall_clock() + timedelta(days=400)  # when nothing is kept any more
        store = trace_store(composition.recorder_settings(told, Part.CONSOLE), lambda: later)
        growing, whole = store.read(live, 0, 4), store.read(closed, 0, 4)
        store.hold(closed, held=True)
        store.hold(closed, held=False)
        wraps = store.wraps(closed)
        for name, wrap in wraps.items():
            store.destroy_wrap(closed, name)
            store.put_wrap(closed, name, wrap)
        return growing, whole, store.delete(closed)

    growing, whole, gone = as_user(CONSOLE, console)
    assert growing == whole != b""
    assert gone >= 4
    assert not (told.trace_folder / closed.folder).exists()


@root_only
def test_neither_user_reads_or_replaces_what_is_the_other_s(told: settings.Settings) -> None:
    """Reader keys, checkpoint key, index and API key are the console's; the spool, host and signing keys the gateway's."""
    data = told.data_dir

    def open_to(account: Account) -> set[str]:
        def look() -> set[str]:
            seen = set()
            for folder, _, names in os.walk(data):
                for path in (Path(folder) / name for name in names):
                    if os.access(path, os.R_OK):
                        seen.add(path.relative_to(data).as_posix())
                    if path.is_relative_to(data / "keys") and os.access(path.parent, os.W_OK):
                        seen.add(f"{path.parent.relative_to(data)} is open")
            return seen

        return set(as_user(account, look))

    gateway, console = open_to(GATEWAY), open_to(CONSOLE)
    private = {"keys/readers/hospital.pem", "keys/checkpoint-signing.pem", "tls/api.key"}
    assert private <= console
    assert not private & gateway
    signing = {"keys/trace-signing.pem", "keys/host_ed25519", "keys/host_ca"}
    assert signing <= gateway
    assert not signing & console
    both = {"ecluse.toml", "keys/vault/current", "keys/readers/hospital.pem.pub", "databases/policy.db"}
    assert both <= gateway & console
    assert not {"keys is open", "keys/vault is open"} & (gateway | console)
    assert "keys/readers is open" not in gateway
    assert "tls/ca.key" not in gateway | console

    def index() -> bool:
        return os.access(data / "search", os.X_OK) or os.access(data / "cache", os.X_OK)

    assert as_user(CONSOLE, index)
    assert not as_user(GATEWAY, index)


@root_only
def test_what_root_adds_later_is_reached_by_whom_it_is_for(told: settings.Settings) -> None:
    """A reader's key is the console's and its public half the gateway's too; a new key of the vault serves both."""
    make_reader(told.readers, "rssi")
    ring = Keyring.load(told.keyring)
    sealing = ring.add_key()
    ring.make_current(sealing)

    def reach() -> tuple[bool, bool, str]:
        private, public = told.readers / "rssi.pem", told.readers / "rssi.pem.pub"
        return os.access(private, os.R_OK), os.access(public, os.R_OK), Keyring.load(told.keyring).current

    assert as_user(GATEWAY, reach) == (False, True, sealing)
    assert as_user(CONSOLE, reach) == (True, True, sealing)


@root_only
def test_root_follows_no_link_that_the_console_s_user_made(told: settings.Settings, tmp_path: Path) -> None:
    """A link among the readers' keys changes nothing of the file it points at, when root gives the keys to her."""
    target = tmp_path / "shadow"
    target.touch()
    target.chmod(0o604)
    link = told.readers / "shadow.pem.pub"
    as_user(CONSOLE, lambda: link.symlink_to(target))
    try:
        make_reader(told.readers, "pointed")
    finally:
        link.unlink()
    assert (target.stat().st_mode & 0o777, target.stat().st_uid) == (0o604, os.geteuid())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gateway-user", "nobody"), "go together"),
        (
            ("--gateway-user", "nobody", "--console-user", "no-such-user", "--group", "nogroup"),
            "no-such-user",
        ),
        (("--gateway-user", "nobody", "--console-user", "nobody", "--group", "nogroup"), "same user"),
        (("--gateway-user", "nobody", "--console-user", "root", "--group", "nogroup"), "is root"),
        (("--gateway-user", "nobody", "--console-user", "daemon", "--group", "nogroup"), "not in the group"),
        (("--gateway-user", "nobody", "--console-user", "daemon", "--group", "no-such"), "the group no-such"),
    ],
)
@root_only
def test_users_who_cannot_share_are_refused_before_anything_is_made(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """One user alone, an unknown one, root, the same twice, one outside the group: each is named."""
    refused = init(tmp_path / "data", *arguments)
    assert refused.exit_code != 0
    assert said in refused.output
    assert not (tmp_path / "data").exists()


@root_only
def test_folders_that_lose_their_group_s_bit_are_refused(tmp_path: Path) -> None:
    """Root without CAP_FSETID, as in a container: the kernel drops the bit and tells nobody, so the reading back does."""

    def confined() -> None:
        os.setgroups([])
        header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None)
        libc.capget(header, held)
        held[0] &= ~(1 << 4)  # CAP_FSETID, of those in effect
        libc.capset(header, held)
        Owners(GATEWAY, CONSOLE, GROUP).take_folders(tmp_path)

    with pytest.raises(RuntimeError, match=r"keys/vault: .*--cap-add FSETID"):
        as_user(Account(0, 0), confined)
