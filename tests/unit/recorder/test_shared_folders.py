"""A store in a folder is shared by two users: a link that one puts there changes nothing of the other's elsewhere."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.errors import StoreForbidden, TraceFormatError, TraceLocked
from recorder.store import files
from recorder.store.folder import FolderStore
from recorder.trace.place import LIVE, MANIFEST, TracePlace
from recorder.trace.purge import PURGE
from tests.support.traces import EPOCH


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file that lies elsewhere and is for nobody else."""
    path = tmp_path / "mine"
    path.write_text("precious")
    path.chmod(0o600)
    return path


def exchanged(really: Callable[..., object], target: Path) -> Callable[..., object]:
    """Do what *really* does, and put a link to *target* in the place of what it made, at once."""

    def then(path: Path, *arguments: object, **options: object) -> object:
        made = really(path, *arguments, **options)
        place = made if isinstance(made, Path) else path
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink()
        place.symlink_to(target)
        return made

    return then


def test_the_probe_goes_into_no_other_file(tmp_path: Path, mine: Path) -> None:
    """Whether the store serves is asked by a file whose name can be guessed: a link there is refused, and not written through."""
    store = FolderStore(tmp_path / "store")
    store.check(1)
    (store.root / LIVE / f".probe-{os.getpid()}").symlink_to(mine)
    with pytest.raises(StoreForbidden):
        store.check(1)
    assert mine.read_text() == "precious"


def test_what_is_exchanged_once_it_was_written_passes_no_mode_on(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is made readable for the other user stands where that user may put a link to one that is not."""
    monkeypatch.setattr(Path, "rename", exchanged(Path.rename, mine))
    with pytest.raises(OSError):
        files.write_whole(tmp_path / "manifest.json", b"{}", 0o440)
    assert mine.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_exchanged_once_it_was_made_passes_no_mode_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other user's group may enter and write what is shared, and no folder that a link leads to."""
    shared, keys = tmp_path / "shared", tmp_path / "keys"
    shared.mkdir()
    shared.chmod(0o2770)
    keys.mkdir(mode=0o700)
    files.make_folders(shared / "first")
    assert (shared / "first").stat().st_mode & 0o7777 == files.SHARED_MODE
    monkeypatch.setattr(Path, "mkdir", exchanged(Path.mkdir, keys))
    with pytest.raises(OSError):
        files.make_folders(shared / "second")
    assert keys.stat().st_mode & 0o7777 == 0o700


@pytest.fixture
def place(tmp_path: Path) -> TracePlace:
    """Of a closed trace in the store."""
    closed = TracePlace("h1", "s1", EPOCH)
    FolderStore(tmp_path / "store").put(closed, MANIFEST, b"{}", locked=True)
    return closed


def test_a_pipe_among_a_trace_s_files_holds_nobody_up(tmp_path: Path, place: TracePlace) -> None:
    """Opened as a file is, it would keep who holds, purges or reads waiting for ever, and nobody would hear of it."""
    store = FolderStore(tmp_path / "store")
    folder = store.root / place.folder
    os.mkfifo(folder / "zz.wrap")
    with pytest.raises(TraceFormatError, match=r"zz\.wrap"):
        store.objects(place)
    with pytest.raises(TraceFormatError, match=r"zz\.wrap"):
        store.wraps(place)
    (folder / ".lock.json").unlink()
    os.mkfifo(folder / ".lock.json")
    with pytest.raises(TraceLocked):
        store.hold(place, held=True)


def test_nobody_reads_more_of_a_file_than_it_can_hold(tmp_path: Path, place: TracePlace) -> None:
    """A terabyte without a block on the disk, where a few lines are looked for, fills no memory."""
    store = FolderStore(tmp_path / "store")
    folder = store.root / place.folder
    os.truncate(folder / ".lock.json", 1 << 40)
    with pytest.raises(TraceLocked):
        store.hold(place, held=True)
    (folder / PURGE).touch()
    os.truncate(folder / PURGE, 1 << 40)
    with pytest.raises(TraceFormatError):
        store.put(place, PURGE, b"{}", locked=False)
