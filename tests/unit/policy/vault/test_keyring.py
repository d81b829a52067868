"""The keyring seals, opens, and refuses everything else."""

import base64
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.errors import KeyMissing, VaultError
from policy.vault import keyfiles
from policy.vault.keyring import RETIREMENT, Keyring
from policy.vault.secret import Secret

SECRET = Secret("the password of scan01")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a fresh keyring."""
    Keyring.generate(tmp_path / "keyring")
    return tmp_path / "keyring"


@pytest.fixture
def keyring(directory: Path) -> Keyring:
    """That keyring, loaded."""
    return Keyring.load(directory)


def test_what_is_sealed_opens_in_another_process(keyring: Keyring, directory: Path) -> None:
    """A keyring loaded anew opens what the first one sealed, under the same context."""
    sealed = keyring.seal(SECRET, "account-secret/h/a")
    assert sealed.startswith(f"ecv1:{keyring.current}:")
    assert SECRET.reveal() not in sealed
    assert Keyring.load(directory).open(sealed, "account-secret/h/a") == SECRET


def test_the_same_secret_never_seals_twice_to_the_same_text(keyring: Keyring) -> None:
    """Nonces are fresh: equal secrets cannot be told from their envelopes."""
    assert len({keyring.seal(SECRET, "c") for _ in range(50)}) == 50


@given(text=st.text(st.characters(exclude_categories=()), max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_text_survives(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every text comes back as it was, surrogates and empty text included."""
    keyring = Keyring.generate(tmp_path_factory.mktemp("keyring"))
    assert keyring.open(keyring.seal(Secret(text), "c"), "c").reveal() == text


def test_another_context_does_not_open(keyring: Keyring) -> None:
    """An envelope moved to another account's row is refused."""
    sealed = keyring.seal(SECRET, "account-secret/h/a")
    for context in ("account-secret/h/b", "totp-secret/h/a", "", "account-secret/h/a "):
        with pytest.raises(VaultError):
            keyring.open(sealed, context)


def test_every_single_changed_character_is_noticed(keyring: Keyring) -> None:
    """Whichever character of an envelope is changed, it does not open."""
    sealed = keyring.seal(SECRET, "c")
    for place, character in enumerate(sealed):
        other = "A" if character != "A" else "B"
        with pytest.raises(VaultError):
            keyring.open(sealed[:place] + other + sealed[place + 1 :], "c")


def test_every_flipped_bit_of_the_body_is_noticed(keyring: Keyring) -> None:
    """One bit flipped in nonce, ciphertext or tag, and the envelope does not open."""
    head, body = keyring.seal(SECRET, "c").rsplit(":", 1)
    octets = base64.urlsafe_b64decode(body)
    for place in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(VaultError):
            keyring.open(f"{head}:{base64.urlsafe_b64encode(flipped).decode()}", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain password",
        "ecv1",
        "ecv1::",
        "ecv1:k1-00000000:",
        "ecv2:k1-00000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ecv1:../../etc/passwd:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ecv1:k1-00000000:AAAA",
        "ecv1:k1-00000000:!!!!",
        "\u0000",
    ],
)
def test_what_is_no_envelope_is_refused_and_never_passed_through(keyring: Keyring, text: str) -> None:
    """Plain text, an unknown version, a truncated or hostile form: VaultError, never the text itself."""
    with pytest.raises(VaultError) as refused:
        keyring.open(text, "c")
    assert not text.strip("\0") or text not in str(refused.value)


def test_a_truncated_envelope_is_refused(keyring: Keyring) -> None:
    """However much is cut off the end."""
    sealed = keyring.seal(SECRET, "c")
    for length in range(len(sealed)):
        with pytest.raises(VaultError):
            keyring.open(sealed[:length], "c")


def test_another_keyring_does_not_open(keyring: Keyring, tmp_path: Path) -> None:
    """Without the key that sealed it, an envelope says so (KeyMissing)."""
    sealed = Keyring.generate(tmp_path / "other").seal(SECRET, "c")
    with pytest.raises(KeyMissing):
        keyring.open(sealed, "c")


def test_a_key_under_another_keys_name_does_not_open(keyring: Keyring, directory: Path) -> None:
    """The key id is bound into the envelope: relabelling it for another key of the ring is refused."""
    sealed = keyring.seal(SECRET, "c")
    other = keyring.add_key()
    with pytest.raises(VaultError):
        keyring.open(sealed.replace(keyring.current, other), "c")


def test_a_rotated_key_seals_and_the_retired_one_still_opens(keyring: Keyring, directory: Path) -> None:
    """After the change the new key seals; the old one opens what it sealed."""
    old = keyring.current
    sealed = keyring.seal(SECRET, "c")
    new = keyring.add_key()
    assert keyring.seal(SECRET, "c").startswith(f"ecv1:{old}:")
    assert keyring.spare == new
    keyring.make_current(new)
    assert keyring.current == new
    assert list(keyring.retired) == [old]
    assert not keyring.spare
    assert keyring.seal(SECRET, "c").startswith(f"ecv1:{new}:")
    assert Keyring.load(directory).open(sealed, "c") == SECRET


def test_a_running_process_follows_a_rotation_by_another(keyring: Keyring, directory: Path) -> None:
    """A keyring loaded before a rotation seals under, and opens with, the new key without a restart."""
    other = Keyring.load(directory)
    other.make_current(other.add_key())
    sealed = keyring.seal(SECRET, "c")
    assert sealed.startswith(f"ecv1:{other.current}:")
    assert keyring.open(other.seal(SECRET, "c"), "c") == SECRET


def test_only_a_retired_key_can_be_removed(keyring: Keyring) -> None:
    """The current key and a spare one stay."""
    spare = keyring.add_key()
    for key_id in (keyring.current, spare, "k9-00000000"):
        with pytest.raises(VaultError):
            keyring.remove(key_id)


def test_a_key_just_retired_is_not_removable(keyring: Keyring) -> None:
    """Another process may still be committing what it sealed under it."""
    old = keyring.current
    keyring.make_current(keyring.add_key())
    now = datetime.now(UTC)
    assert keyring.removable(now) == ()
    assert keyring.removable(now + RETIREMENT + timedelta(seconds=1)) == (old,)


def test_two_rotations_cannot_run_at_once(keyring: Keyring, directory: Path) -> None:
    """The second one is told that another is under way; afterwards it may."""
    with (
        keyring.exclusive(),
        pytest.raises(VaultError, match="under way"),
        Keyring.load(directory).exclusive(),
    ):
        pass
    with Keyring.load(directory).exclusive():
        pass


def test_all_files_are_for_their_owner_alone(directory: Path) -> None:
    """Keys, fingerprint key and current are 0600, the directory 0700, whatever the umask."""
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_nothing_is_left_beside_the_keys(directory: Path, keyring: Keyring) -> None:
    """Files written aside are gone after generation and rotation."""
    keyring.make_current(keyring.add_key())
    assert not [path for path in directory.iterdir() if path.name.startswith(".")]


def test_a_keyring_is_not_generated_over_another(directory: Path) -> None:
    """Generating twice is refused and changes nothing."""
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(VaultError, match="already"):
        Keyring.generate(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o666])
@pytest.mark.parametrize("name", ["current", "fingerprint.key", "key"])
def test_a_file_that_others_can_touch_is_refused(directory: Path, mode: int, name: str) -> None:
    """Each file of the ring, exposed in any way, stops the load; the message says what to do."""
    path = next(directory.glob("k*.key")) if name == "key" else directory / name
    path.chmod(mode)
    with pytest.raises(VaultError, match="chmod 600"):
        Keyring.load(directory)


def test_a_file_of_another_user_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that somebody else owns could be replaced by them."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(next(directory.glob("k*.key")), 12345, -1)
    with pytest.raises(VaultError, match="another user"):
        Keyring.load(directory)


def test_a_directory_that_others_can_write_is_refused(directory: Path) -> None:
    """Whoever may put files there may put their own keys there."""
    directory.chmod(0o770)
    with pytest.raises(VaultError, match="chmod 700"):
        Keyring.load(directory)


def test_a_link_in_place_of_a_key_is_refused(directory: Path, tmp_path: Path) -> None:
    """A symbolic link is not followed."""
    key = next(directory.glob("k*.key"))
    key.rename(tmp_path / "elsewhere")
    key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VaultError):
        Keyring.load(directory)


def test_a_pipe_in_place_of_a_key_neither_hangs_nor_loads(directory: Path) -> None:
    """A FIFO is refused at once."""
    key = next(directory.glob("k*.key"))
    key.unlink()
    os.mkfifo(key, 0o600)
    with pytest.raises(VaultError, match="plain file"):
        Keyring.load(directory)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"!" * 44, base64.b64encode(bytes(31)), base64.b64encode(bytes(33))]
)
def test_a_damaged_key_is_refused(directory: Path, content: bytes) -> None:
    """A key of another length or form stops the load instead of sealing badly."""
    key = next(directory.glob("k*.key"))
    key.write_bytes(content)
    with pytest.raises(VaultError, match="backup"):
        Keyring.load(directory)


@pytest.mark.parametrize("content", ["", "k0-00000000", "../k1-00000000", "k2-deadbeef", "k1"])
def test_a_bad_current_is_refused(directory: Path, content: str) -> None:
    """A current that names no key of the ring stops the load."""
    (directory / "current").write_text(content, encoding="ascii")
    with pytest.raises(VaultError):
        Keyring.load(directory)


@pytest.mark.parametrize("name", ["current", "fingerprint.key", "key"])
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    """The message says which file is missing."""
    path = next(directory.glob("k*.key")) if name == "key" else directory / name
    path.unlink()
    with pytest.raises(KeyMissing, match=path.name.removesuffix(".key")):
        Keyring.load(directory)


def test_an_absent_directory_is_named(tmp_path: Path) -> None:
    """No keyring at all is a VaultError with the path, not a stack trace."""
    with pytest.raises(VaultError, match="nowhere"):
        Keyring.load(tmp_path / "nowhere")


def test_a_read_only_directory_of_credentials_loads(directory: Path) -> None:
    """As systemd hands credentials over: files 0400 in a directory nobody writes; it seals and opens."""
    for path in directory.iterdir():
        path.chmod(0o400)
    directory.chmod(0o500)
    try:
        keyring = Keyring.load(directory)
        assert keyring.open(keyring.seal(SECRET, "c"), "c") == SECRET
    finally:
        directory.chmod(0o700)


def test_roots_credential_with_an_acl_mask_loads_for_the_service_user(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ACL that systemd sets shows as group bits on root's file: fine for another user, never with a bit for others."""
    if os.geteuid() != 0:
        pytest.skip("needs root's files")
    for path in directory.iterdir():
        path.chmod(0o440)
    monkeypatch.setattr(os, "geteuid", lambda: 990)
    Keyring.load(directory)
    (directory / "current").chmod(0o444)
    with pytest.raises(VaultError):
        Keyring.load(directory)


def test_the_keyring_does_not_show_its_keys(keyring: Keyring, directory: Path) -> None:
    """Its repr names the directory only."""
    key = next(directory.glob("k*.key")).read_text().strip()
    assert str(directory) in repr(keyring)
    assert key not in repr(keyring)
    assert repr(base64.b64decode(key)) not in repr(keyring)


def test_a_crash_while_writing_a_key_leaves_no_key(
    keyring: Keyring, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut before the key is on the disk leaves the ring as it was, and it loads."""

    def cut(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    before = keyring.current
    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(VaultError):
        keyring.add_key()
    monkeypatch.undo()
    assert Keyring.load(directory).current == before
    assert len(keyfiles.key_ids(directory)) == 1
