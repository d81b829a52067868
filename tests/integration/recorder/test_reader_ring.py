"""The keys that open traces: in the clear, behind a passphrase, in a token; unlocked for a time, and no longer."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from policy.clock import ManualClock
from recorder.errors import (
    ReaderKeyLocked,
    ReaderKeyLockedOut,
    ReaderKeyRefused,
    ReaderKeyUnusable,
    TraceFormatError,
)
from recorder.seal import passphrase, schemes
from recorder.seal.files import raw
from recorder.seal.places import ReaderPlaces
from recorder.seal.ring import TRIES, Guard, ReaderRing, guard_of
from recorder.seal.signing import SigningKey
from recorder.seal.token import TokenKey, generate_token_key
from recorder.seal.wrapping import (
    LockedKey,
    ReaderKey,
    ReaderPublicKey,
    generate_reader_key,
    open_wraps,
    seal_for,
    wrap_name,
)
from recorder.trace.header import TraceHeader
from tests.support.reader_token import place
from tests.support.softhsm import PIN, Token
from tests.support.traces import header

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
PHRASE = "cheval agrafe pile correct"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make guesses cheap here: what they cost is looked at by one test alone."""
    monkeypatch.setattr(passphrase, "COST", 1 << 10)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(AT)


@pytest.fixture
def ring(tmp_path: Path, clock: ManualClock) -> ReaderRing:
    """Three keys: one in the clear, one behind a passphrase, and one whose private half is elsewhere."""
    generate_reader_key(tmp_path / "hospital.pem")
    generate_reader_key(tmp_path / "rssi.pem", PHRASE)
    generate_reader_key(tmp_path / "escrow.pem")
    (tmp_path / "escrow.pem").unlink()
    return ReaderRing(ReaderPlaces(tmp_path), clock.now)


def sealed_for(public: ReaderPublicKey) -> tuple[TraceHeader, dict[str, bytes], bytes]:
    """A trace's header, its one wrap, and its data key."""
    made = seal_for(header(), [public], SigningKey(Ed25519PrivateKey.generate()))
    return made.header, dict(made.wraps), made.key


def test_a_passphrase_costs_whoever_guesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is PKCS#8 under scrypt with N of 2^17 and AES-256, and holds nothing of the key in the clear."""
    monkeypatch.undo()
    assert passphrase.COST == 1 << 17
    key = X25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(passphrase.encrypted_pem(key, PHRASE))
    (tmp_path / "key.pem").chmod(0o600)
    told = subprocess.run(
        ["openssl", "asn1parse", "-in", "key.pem"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "1.3.6.1.4.1.11591.4.11" in told or "scrypt" in told
    assert "INTEGER           :020000" in told
    assert "aes-256-cbc" in told
    opened = ReaderKey.load(tmp_path / "key.pem", PHRASE)
    assert opened.public.key.public_bytes_raw() == key.public_key().public_bytes_raw()  # type: ignore[union-attr]  # X25519
    with pytest.raises(ReaderKeyRefused):
        ReaderKey.load(tmp_path / "key.pem", PHRASE + " ")
    with pytest.raises(ReaderKeyUnusable):
        ReaderKey.load(tmp_path / "key.pem")


def test_a_locked_key_is_named_and_opens_nothing(ring: ReaderRing, tmp_path: Path) -> None:
    """A trace sealed for a key behind a passphrase asks for that key by its name, until it is unlocked."""
    public = ReaderPublicKey.load(tmp_path / "rssi.pem.pub")
    made, wraps, key = sealed_for(public)
    with pytest.raises(ReaderKeyLocked, match="rssi") as refused:
        open_wraps(wraps, made, ring.readers())
    assert refused.value.names == ("rssi",)
    ring.unlock("rssi", PHRASE, AT + timedelta(minutes=30), "p1")
    assert open_wraps(wraps, made, ring.readers()) == key


def test_a_key_is_unlocked_for_a_time_and_by_somebody(ring: ReaderRing, clock: ManualClock) -> None:
    """It opens until the instant that was asked for and not after, and is told with who did it until when."""
    until = AT + timedelta(minutes=30)
    ring.unlock("rssi", PHRASE, until, "p1")
    clock.set(until - timedelta(seconds=1))
    state = {one.name: one for one in ring.states()}["rssi"]
    assert (state.opened, state.by, state.until, state.guard) == (True, "p1", until, Guard.PASSPHRASE)
    assert ring.expired() == []
    clock.set(until)
    assert [type(one) for one in ring.readers()] == [ReaderKey, LockedKey]
    assert [one.name for one in ring.expired()] == ["rssi"]
    assert ring.unlocked() == []


def test_a_lock_is_at_once(ring: ReaderRing) -> None:
    """Locked by hand, a key opens nothing from then on; locking it twice does nothing."""
    ring.unlock("rssi", PHRASE, AT + timedelta(hours=1), "p1")
    locked = ring.lock("rssi")
    assert locked is not None
    assert locked.by == "p1"
    assert ring.lock("rssi") is None
    assert isinstance(ring.readers()[-1], LockedKey)


def test_what_is_not_there_or_needs_no_unlocking_is_refused(ring: ReaderRing) -> None:
    """A key of another name, one elsewhere and one in the clear cannot be unlocked, each with its reason."""
    for name, why in (
        ("nobody", "no private half"),
        ("escrow", "no private half"),
        ("hospital", "always open"),
    ):
        with pytest.raises(ReaderKeyUnusable, match=why):
            ring.unlock(name, PHRASE, AT + timedelta(hours=1), "p1")
    assert [(one.name, one.guard, one.opened) for one in ring.states()] == [
        ("escrow", Guard.ELSEWHERE, False),
        ("hospital", Guard.FILE, True),
        ("rssi", Guard.PASSPHRASE, False),
    ]


def test_guesses_are_stopped(ring: ReaderRing, clock: ManualClock) -> None:
    """After five wrong passphrases not even the right one is tried for a quarter of an hour."""
    until = AT + timedelta(hours=1)
    for _ in range(TRIES - 1):
        with pytest.raises(ReaderKeyRefused) as refused:
            ring.unlock("rssi", "wrong", until, "p1")
        assert not isinstance(refused.value, ReaderKeyLockedOut)
    with pytest.raises(ReaderKeyLockedOut):
        ring.unlock("rssi", "wrong", until, "p1")
    with pytest.raises(ReaderKeyLockedOut) as stopped:
        ring.unlock("rssi", PHRASE, until, "p1")
    clock.set(stopped.value.until)
    assert ring.unlock("rssi", PHRASE, until, "p1").by == "p1"


def test_a_wrong_passphrase_locks_what_was_open(ring: ReaderRing) -> None:
    """Whoever tries again without knowing the passphrase does not keep somebody else's unlocking alive."""
    ring.unlock("rssi", PHRASE, AT + timedelta(minutes=5), "p1")
    with pytest.raises(ReaderKeyRefused):
        ring.unlock("rssi", "wrong", AT + timedelta(hours=8), "p2")
    assert ring.unlocked() == []


def test_the_two_schemes_are_hpke() -> None:
    """What a token's key exchange is fed into gives what the library gives, and nothing under another info or key."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = ReaderPublicKey(private.public_key())
    sealed = schemes.encrypt(public.key, b"k" * 32, b"info")

    def exchange(point: bytes) -> bytes:
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return private.exchange(ec.ECDH(), other)

    point = raw(public.key)
    assert schemes.decrypt(private, sealed, b"info") == b"k" * 32
    assert schemes.decrypt_with(exchange, point, sealed, b"info") == b"k" * 32
    with pytest.raises(InvalidTag):
        schemes.decrypt_with(exchange, point, sealed, b"other")
    with pytest.raises(ValueError, match="EC key"):
        schemes.decrypt_with(exchange, point, b"\x04" + bytes(64) + sealed[65:], b"info")
    assert not schemes.usable(ec.generate_private_key(ec.SECP384R1()))


def test_a_tokens_key_never_leaves_it_and_opens_traces(
    reader_token: Token, tmp_path: Path, clock: ManualClock
) -> None:
    """A trace sealed for a token's key opens once the PIN was given, and asks for it again after the time or a lock."""
    del reader_token
    public = generate_token_key(tmp_path, "hsm", place("hsm-1"), PIN)
    ring = ReaderRing(ReaderPlaces(tmp_path), clock.now)
    assert guard_of(tmp_path / "hsm.token.json") is Guard.TOKEN
    made, wraps, key = sealed_for(public)
    assert schemes.P256.encode() in wraps[wrap_name(public)]
    with pytest.raises(ReaderKeyLocked, match="hsm"):
        open_wraps(wraps, made, ring.readers())
    with pytest.raises(ReaderKeyRefused, match="PIN"):
        ring.unlock("hsm", "000000", AT + timedelta(hours=1), "p1")
    unlocked = ring.unlock("hsm", PIN, AT + timedelta(hours=1), "p1")
    assert open_wraps(wraps, made, ring.readers()) == key
    assert isinstance(unlocked.key, TokenKey)
    with pytest.raises(TypeError):
        unlocked.key.__reduce__()
    ring.lock("hsm")
    with pytest.raises(ReaderKeyLocked):
        unlocked.key.unwrap(schemes.encrypt(public.key, b"x", b""), b"")


def test_another_key_in_the_tokens_place_is_noticed(
    reader_token: Token, tmp_path: Path, clock: ManualClock
) -> None:
    """A public half that is not the token's own is refused when the key is unlocked, and so is a missing key."""
    del reader_token
    generate_token_key(tmp_path, "one", place("one"), PIN)
    generate_token_key(tmp_path, "two", place("two"), PIN)
    (tmp_path / "one.pem.pub").write_bytes((tmp_path / "two.pem.pub").read_bytes())
    ring = ReaderRing(ReaderPlaces(tmp_path), clock.now)
    with pytest.raises(ReaderKeyUnusable, match="another one"):
        ring.unlock("one", PIN, AT + timedelta(hours=1), "p1")
    (tmp_path / "two.token.json").write_text(
        (tmp_path / "two.token.json").read_text().replace('"two"', '"no"')
    )
    with pytest.raises(ReaderKeyUnusable, match="no key no"):
        ring.unlock("two", PIN, AT + timedelta(hours=1), "p1")
    assert ring.unlocked() == []
    with pytest.raises(ReaderKeyUnusable, match="already"):
        generate_token_key(tmp_path, "one", place("one"), PIN)


def test_a_wrap_of_another_scheme_is_told(tmp_path: Path) -> None:
    """A wrap whose content was changed opens nothing, and says so."""
    key = generate_reader_key(tmp_path / "a.pem")
    made, wraps, _ = sealed_for(key.public)
    name = wrap_name(key.public)
    wraps[name] = wraps[name].replace(b'"wrapped":"', b'"wrapped":"AAAA')
    with pytest.raises(TraceFormatError):
        open_wraps(wraps, made, [key])
