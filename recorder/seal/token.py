"""Reader keys in a PKCS#11 token: made there, used there, and never out of it.

A file beside the public half says where the key is; the PIN is given when somebody unlocks it.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11.exceptions import (
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from typing_extensions import override

from recorder.errors import ReaderKeyLocked, ReaderKeyRefused, ReaderKeyUnusable
from recorder.seal import schemes
from recorder.seal.files import public_pem, raw, write_new
from recorder.seal.places import PUBLIC, TOKEN
from recorder.seal.wrapping import ReaderKey, ReaderPublicKey

_CURVE: Final = "secp256r1"
_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token's key is.

    Attributes:
        module: Path of the token's PKCS#11 library.
        token: The token's label.
        key: The key's label.
    """

    module: str
    token: str
    key: str

    @classmethod
    def load(cls, path: Path) -> TokenPlace:
        """What a ``….token.json`` says.

        Raises:
            ReaderKeyUnusable: It cannot be read, or says something else.
        """
        try:
            told = json.loads(path.read_bytes())
            return cls(*(str(told[name]) for name in ("module", "token", "key")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReaderKeyUnusable(f"{path} does not say where a token's key is: {error}") from error


class TokenKey(ReaderKey):
    """A P-256 key in a token, unlocked until `close`.

    Args:
        name: As people call the key.
        place: Where it is.
        public: Its public half, which the token's own must be.
        pin: Unlocks the token.

    Raises:
        ReaderKeyRefused: The PIN is not the one, or the token takes none any more.
        ReaderKeyUnusable: Library, token or key cannot be used, or another key is there.
    """

    def __init__(self, name: str, place: TokenPlace, public: ReaderPublicKey, pin: str) -> None:
        if not isinstance(public.key, ec.EllipticCurvePublicKey):
            raise ReaderKeyUnusable(f"the public half of {name} is no P-256 key, and tokens hold no other")
        self.name, self.public = name, public
        self._point = raw(public.key)
        self._in_use = threading.Lock()
        self._session: pkcs11.Session | None = _open(place, pin)
        try:
            # which operations a key has is known only once it is there
            self._private: Any = self._session.get_key(
                pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.KeyType.EC, place.key
            )
            trial = schemes.encrypt(public.key, b"trial", b"")
            self.unwrap(trial, b"")
        except PKCS11Error as error:
            self.close()
            raise ReaderKeyUnusable(f"the token {place.token} has no key {place.key}: {error!r}") from error
        except Exception as error:
            self.close()
            raise ReaderKeyUnusable(
                f"the key {place.key} of the token {place.token} is another one than {name}"
            ) from error

    @override
    def unwrap(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed for this key; the token does the key exchange."""
        return schemes.decrypt_with(self._exchange, self._point, sealed, info)

    def close(self) -> None:
        """Log out of the token: from now on the key is locked."""
        with self._in_use:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def _exchange(self, point: bytes) -> bytes:
        with self._in_use:
            if self._session is None:
                raise ReaderKeyLocked([self.name])
            try:
                shared = self._private.derive_key(
                    pkcs11.KeyType.GENERIC_SECRET,
                    _BITS,
                    mechanism_param=(pkcs11.KDF.NULL, None, point),
                    store=False,
                    template={
                        pkcs11.Attribute.TOKEN: False,
                        pkcs11.Attribute.SENSITIVE: False,
                        pkcs11.Attribute.EXTRACTABLE: True,
                    },
                )
                found = bytes(shared[pkcs11.Attribute.VALUE])
                shared.destroy()
            except PKCS11Error as error:
                raise ReaderKeyUnusable(f"the token of {self.name} answers {error!r}") from error
            return found


def generate_token_key(directory: Path, name: str, place: TokenPlace, pin: str) -> ReaderPublicKey:
    """Make a P-256 key in a token; ``NAME.pem.pub`` and ``NAME.token.json`` go to ``directory``.

    Raises:
        ReaderKeyRefused: The PIN is not the one.
        ReaderKeyUnusable: Library or token cannot be used, or a file is there already.
    """
    files = directory / f"{name}{PUBLIC}", directory / f"{name}{TOKEN}"
    if any(path.exists() for path in files):
        raise ReaderKeyUnusable(f"there is a key {name} already")
    session = _open(place, pin, writing=True)
    try:
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(_CURVE)},
            local=True,
        )
        public, _ = parameters.generate_keypair(
            store=True,
            label=place.key,
            capabilities=pkcs11.MechanismFlag.DERIVE,
            private_template={
                pkcs11.Attribute.SENSITIVE: True,
                pkcs11.Attribute.EXTRACTABLE: False,
                pkcs11.Attribute.PRIVATE: True,
            },
        )
        # the token gives the point as a DER octet string of 65 bytes
        point = bytes(public[pkcs11.Attribute.EC_POINT])[2:]
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        write_new(files[0], public_pem(key), 0o644)
        write_new(files[1], json.dumps(asdict(place), indent=2).encode() + b"\n", 0o600)
    except (PKCS11Error, OSError) as error:
        raise ReaderKeyUnusable(f"the token {place.token} cannot make the key {name}: {error!r}") from error
    finally:
        session.close()
    return ReaderPublicKey(key)


def _open(place: TokenPlace, pin: str, *, writing: bool = False) -> pkcs11.Session:
    try:
        token = pkcs11.lib(place.module).get_token(token_label=place.token)
        return token.open(user_pin=pin, rw=writing)
    except (PinIncorrect, PinInvalid, PinLenRange) as error:
        raise ReaderKeyRefused("this PIN does not unlock the token") from error
    except PinLocked as error:
        raise ReaderKeyRefused(f"the token {place.token} takes no PIN any more: it locked itself") from error
    except UserAlreadyLoggedIn as error:
        raise ReaderKeyUnusable(
            f"another key of the token {place.token} is unlocked: lock it first"
        ) from error
    except (PKCS11Error, RuntimeError, OSError) as error:
        raise ReaderKeyUnusable(
            f"the token {place.token} cannot be used through {place.module}: {error!r}"
        ) from error
