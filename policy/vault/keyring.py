"""The keyring: the key that seals now, and the retired ones that still open."""

import hashlib
import hmac
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import override

from policy.errors import KeyMissing, VaultError
from policy.vault import envelope, keyfiles
from policy.vault.fingerprint import identity
from policy.vault.secret import Secret

RETIREMENT: Final = timedelta(minutes=10)
"""How long a key stays after its retirement: longer than any transaction that may still be writing under it."""


class Keyring:
    """Seals and opens secrets under the keys of one directory.

    Several processes share the directory: each seal looks at which key is current, and a key made by
    another process is found when it is first needed. Every failure is a VaultError; nothing that is not
    a sound envelope is ever passed on as if it were a secret.
    """

    def __init__(self, directory: Path, keys: dict[str, bytes], fingerprint_key: bytes) -> None:
        """Hold *keys* by id; made by ``load`` and ``generate``."""
        self._directory = directory
        self._keys = keys
        self._fingerprint_key = fingerprint_key

    @classmethod
    def generate(cls, directory: Path) -> Self:
        """Make a new keyring in *directory* (created 0700 if absent); raises VaultError if it holds one already."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise VaultError(f"{directory} cannot be made ({error.strerror})") from None
        keyfiles.check_directory(directory)
        if (directory / keyfiles.CURRENT).exists() or keyfiles.key_ids(directory):
            raise VaultError(f"{directory} holds a keyring already; it is not overwritten")
        if not (directory / keyfiles.FINGERPRINT).exists():
            keyfiles.write_new_key(directory, keyfiles.FINGERPRINT)
        key_id = keyfiles.new_key_id([])
        keyfiles.write_new_key(directory, f"{key_id}.key")
        keyfiles.write_current(directory, key_id)
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load the keyring in *directory*, which may be read-only.

        Raises KeyMissing where a file is absent, VaultError where others can read or write one, or it is
        damaged; the message says which file and what to do.
        """
        keyfiles.check_directory(directory)
        current = keyfiles.current_id(directory)
        keys = {
            key_id: keyfiles.read_key(directory, f"{key_id}.key") for key_id in keyfiles.key_ids(directory)
        }
        if current not in keys:
            raise KeyMissing(f"{directory / current}.key is missing; restore it from the keyring's backup")
        return cls(directory, keys, keyfiles.read_key(directory, keyfiles.FINGERPRINT))

    @override
    def __repr__(self) -> str:
        """Name the directory and no key."""
        return f"Keyring({str(self._directory)!r})"

    @property
    def current(self) -> str:
        """The id of the key that seals now, as the directory says."""
        return keyfiles.current_id(self._directory)

    @property
    def retired(self) -> tuple[str, ...]:
        """The ids of the keys that only open, oldest first."""
        now = keyfiles.number(self.current)
        return tuple(key_id for key_id in keyfiles.key_ids(self._directory) if keyfiles.number(key_id) < now)

    @property
    def spare(self) -> str | None:
        """A key made for a rotation that stopped before the key became current; None as a rule."""
        now = keyfiles.number(self.current)
        return next((each for each in keyfiles.key_ids(self._directory) if keyfiles.number(each) > now), None)

    def seal(self, plain: Secret, context: str) -> str:
        """Return *plain* sealed under the current key, openable under the same *context* only."""
        key_id = self.current
        return str(envelope.seal(self._key(key_id), key_id, plain, context))

    def open(self, sealed: str, context: str) -> Secret:
        """Open *sealed*; raises KeyMissing without its key, VaultError for any other reason not to."""
        parsed = envelope.Envelope.parse(sealed)
        return envelope.unseal(self._key(parsed.key_id), parsed, context)

    def fingerprint(self, secret: Secret) -> str:
        """Return a keyed fingerprint (64 hexadecimal digits), equal for equal secrets, that rotation keeps.

        HMAC-SHA-256 under a key of its own: without that key, a fingerprint does not let a password be
        guessed. A private key counts as its public half, so another encoding of it is the same.
        """
        return hmac.new(self._fingerprint_key, identity(secret), hashlib.sha256).hexdigest()

    def mark(self, text: str) -> str:
        """Return a keyed mark (64 hexadecimal digits) of *text*: only who holds this keyring makes it; rotation keeps it.

        HMAC-SHA-256 under a key derived from the fingerprints' (HKDF, RFC 5869), so that no secret's fingerprint is one.
        """
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ecluse mark").derive(
            self._fingerprint_key
        )
        return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep every other rotation or pruning out; raises VaultError where one is under way."""
        return keyfiles.exclusive(self._directory)

    def add_key(self) -> str:
        """Make a key, on the disk before this returns, that does not seal yet; return its id."""
        key_id = keyfiles.new_key_id(keyfiles.key_ids(self._directory))
        keyfiles.write_new_key(self._directory, f"{key_id}.key")
        self._key(key_id)
        return key_id

    def make_current(self, key_id: str) -> None:
        """Seal under *key_id* from now on, in every process; the key before it is retired."""
        self._key(key_id)
        keyfiles.write_current(self._directory, key_id)

    def removable(self, at: datetime) -> tuple[str, ...]:
        """Return the retired keys that no transaction begun before their retirement can still use at *at*."""
        path = self._directory / keyfiles.CURRENT
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return self.retired if at - changed >= RETIREMENT else ()

    def remove(self, key_id: str) -> None:
        """Remove a retired key for good; raises VaultError for one that is not retired."""
        if key_id not in self.retired:
            raise VaultError(f"{key_id} is not a retired key")
        keyfiles.remove_key(self._directory, key_id)
        self._keys.pop(key_id, None)

    def _key(self, key_id: str) -> bytes:
        if key_id not in self._keys:
            self._keys[key_id] = keyfiles.read_key(self._directory, f"{key_id}.key")
        return self._keys[key_id]
