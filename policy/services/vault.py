"""The vault: takes the secrets of dedicated accounts in, releases them to a Grant, and changes its own key."""

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from policy.clock import Clock
from policy.domain.access import Grant
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.devices import AccountMethod, DedicatedAccount, Quirk, principal_of
from policy.domain.ids import AccountId, DeviceId, HospitalId
from policy.domain.tasks import TaskGrant
from policy.domain.windows import Channel
from policy.errors import InvalidInput, KeyMissing, VaultError
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork
from policy.vault.certificates import Terms, certify, key_id_of
from policy.vault.credentials import Credential
from policy.vault.fingerprint import private_key
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

TASK_VALIDITY: Final = timedelta(minutes=5)
CERTIFICATE_VALIDITY: Final = timedelta(minutes=5)
"""Enough to log in, and for a device whose clock is slightly ahead; the session itself outlives it."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far behind a device's clock may be for a certificate to be valid already."""
_MAXIMUM_PASSWORD_BYTES: Final = 1024
_BATCH: Final = 100


class RotationStep(StrEnum):
    """What a rotation has just done; it may stop after any of these, or between, and be started again."""

    KEY_MADE = "key-made"
    KEY_CURRENT = "key-current"
    BATCH_RESEALED = "batch-resealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationProgress:
    """A step of a rotation done: towards which key, and how many secrets it has sealed anew so far."""

    step: RotationStep
    key_id: str
    resealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A rotation that is over. ``resumed``: it finished one that had stopped half-way, and made no new key."""

    key_id: str
    resealed: int
    resumed: bool


def nothing_to_say(_progress: RotationProgress) -> None:
    """Take no notice of progress."""


class VaultService:
    """Keeps the secrets of dedicated accounts (rule T9)."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        """Seal under *keyring* what *database* keeps."""
        self._database = database
        self._keyring = keyring
        self._clock = clock

    async def store_secret(self, work: UnitOfWork, account: DedicatedAccount, secret: Secret) -> None:
        """Put the account's *secret* in the vault, in the caller's transaction, which must hold the account.

        Raises InvalidInput for a secret unfit for the account's method, SecretReused where another account
        of the hospital has the same one, in whatever encoding.
        """
        check_account_secret(account, secret)
        sealed = self._keyring.seal(secret, _context(account.hospital_id, account.id))
        fingerprint = self._keyring.fingerprint(secret)
        await work.accounts.put_secret(account.hospital_id, account.id, sealed, fingerprint)

    async def release(self, grant: Grant | TaskGrant) -> Credential:
        """Return what opens the account that *grant* names, and nothing for anything but a grant in force.

        For an account that trusts certificates: a key made now and a certificate of a few minutes for it, which
        is in the outbox before this returns. Raises VaultError where the grant is over, or the account is gone, suspended, another device's, or
        has no secret; the message never holds one.
        """
        if type(grant) not in {Grant, TaskGrant}:
            raise VaultError("the vault releases secrets to a grant only")
        at = self._clock.now()
        if isinstance(grant, Grant):
            in_force = at < grant.obligations.hard_end
            device_id, account_id, name = grant.device_id, grant.account_id, grant.account_name
        else:
            if grant.account is None:
                raise VaultError(f"a task of kind {grant.kind.value} logs in nowhere")
            in_force = at - grant.issued_at < TASK_VALIDITY
            device_id, account_id, name = grant.device_id, grant.account.id, grant.account.name
        if not in_force:
            raise VaultError("the grant is over; ask for access again")
        account, sealed = await self._account(grant.hospital_id, device_id, account_id, name)
        if account.method is AccountMethod.CERTIFICATE:
            return await self._certified(grant, account, at)
        if sealed is None:
            raise VaultError(f"the vault has no secret for the account {name}; a planner must store one")
        context = _context(grant.hospital_id, account_id)
        return Credential(method=account.method, secret=self._keyring.open(sealed, context))

    async def rotate(self, progress: Callable[[RotationProgress], None] = nothing_to_say) -> Rotation:
        """Change the key that seals, and seal every secret of the database anew under it.

        Each step leaves a keyring and a database that open all secrets: the new key is on the disk before
        it is named current, and the old ones stay. Stopped at any point, the next call finishes the work.
        Raises VaultError where another rotation runs or a secret does not open, PolicyUnavailable.
        """
        with self._keyring.exclusive():
            async with self._database.read() as view:
                resumed = bool(await view.sealed.not_under(self._keyring.current, 1))
            if not resumed:
                key_id = self._keyring.spare or self._keyring.add_key()
                progress(RotationProgress(step=RotationStep.KEY_MADE, key_id=key_id, resealed=0))
                self._keyring.make_current(key_id)
                progress(RotationProgress(step=RotationStep.KEY_CURRENT, key_id=key_id, resealed=0))
            key_id = self._keyring.current
            resealed = 0
            while batch := await self._reseal(key_id):
                resealed += batch
                done = RotationStep.BATCH_RESEALED
                progress(RotationProgress(step=done, key_id=key_id, resealed=resealed))
            return Rotation(key_id=key_id, resealed=resealed, resumed=resumed)

    async def prune(self) -> tuple[str, ...]:
        """Destroy the retired keys that nothing is sealed under, and return their ids.

        A key retired less than ten minutes ago stays: another process may be about to commit what it sealed
        under it. Backups of the database older than the rotation can no longer be opened afterwards.
        """
        removed: list[str] = []
        with self._keyring.exclusive():
            async with self._database.unit_of_work(None, self._clock) as work:
                for key_id in self._keyring.removable(self._clock.now()):
                    if await work.sealed.under(key_id) == 0:
                        self._keyring.remove(key_id)
                        removed.append(key_id)
                for hospital in await work.hospitals.list():
                    for key_id in removed:
                        await work.emit("vault.key_destroyed", hospital.id, key_id, {}, {})
        return tuple(removed)

    async def _account(
        self, hospital_id: HospitalId, device_id: DeviceId, account_id: AccountId, name: str
    ) -> tuple[DedicatedAccount, str | None]:
        async with self._database.read() as view:
            account = await view.accounts.get(hospital_id, account_id)
            sealed = await view.accounts.sealed_secret(hospital_id, account_id)
        if account is None or not account.active or (account.device_id, account.name) != (device_id, name):
            raise VaultError(f"the account {name} is no longer in service on this device")
        return account, sealed

    async def _certified(
        self, grant: Grant | TaskGrant, account: DedicatedAccount, at: datetime
    ) -> Credential:
        terms = _terms(grant, account, at)
        async with self._database.unit_of_work(None, self._clock) as work:
            found = await work.authorities.signing(account.hospital_id)
            if found is None:
                raise VaultError("the hospital has no SSH authority: make one (ecluse accounts ca-make)")
            authority, sealed = found
            context = sealing_context(SealedKind.AUTHORITY_KEY, authority.hospital_id, authority.id)
            made = certify(self._keyring.open(sealed, context), terms)
            shown = {
                "key_id": terms.key_id,
                "principal": terms.principal,
                "serial": str(made.serial),
                "authority": authority.fingerprint,
                "until": terms.valid_before,
            }
            await work.emit("account.certified", account.hospital_id, account.id, {}, shown)
        return Credential(method=account.method, secret=made.private_key, certificate=made.certificate)

    async def _reseal(self, key_id: str) -> int:
        async with self._database.unit_of_work(None, self._clock) as work:
            rows = await work.sealed.not_under(key_id, _BATCH)
            for row in rows:
                try:
                    secret = self._keyring.open(row.sealed, row.context)
                except KeyMissing:
                    raise
                except VaultError as error:
                    raise VaultError(
                        f"the {row.kind.value} of {row.owner} stops the rotation: {error}; store it anew"
                    ) from None
                await work.sealed.replace(row, self._keyring.seal(secret, row.context))
            for hospital_id, count in Counter(row.hospital_id for row in rows).items():
                await work.emit("vault.resealed", hospital_id, key_id, {}, {"secrets": count})
        return len(rows)


def check_account_secret(account: DedicatedAccount, secret: Secret) -> None:
    """Raise InvalidInput unless *secret* fits the account's method; the message never repeats it.

    A certificate has none. A key must be an unencrypted private key. A password must be one line, not empty, and not the account's
    own name, the default that devices are delivered with (rule T9). How long it is, the device decides.
    """
    if account.method is AccountMethod.CERTIFICATE:
        raise InvalidInput("secret", "leave it out: an account that trusts certificates has none")
    if account.method is AccountMethod.KEY:
        private_key(secret)
        return
    text = secret.reveal()
    if not text or len(text.encode("utf-8", "surrogatepass")) > _MAXIMUM_PASSWORD_BYTES:
        raise InvalidInput("secret", f"must have 1 to {_MAXIMUM_PASSWORD_BYTES} bytes")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise InvalidInput(
            "secret", "must be one line without control characters; a key needs the method key"
        )
    if unicodedata.normalize("NFKC", text).casefold() == account.name:
        raise InvalidInput("secret", "is the account's own name, a default; set another on the device first")


def _terms(grant: Grant | TaskGrant, account: DedicatedAccount, at: datetime) -> Terms:
    until = at + CERTIFICATE_VALIDITY
    if isinstance(grant, Grant):
        until = min(until, grant.obligations.hard_end)
        key_id = key_id_of(grant.person_login, grant.person_name, grant.session_id)
        terminal = bool(grant.obligations.channels & {Channel.SHELL, Channel.EXEC})
        ports = bool(grant.obligations.forwards)
    else:
        key_id, terminal, ports = f"ecluse task {grant.task_id}", False, False
    plain = Quirk.PLAIN_PRINCIPAL in grant.algorithms.quirks
    return Terms(
        principal=account.name if plain else principal_of(account.name, grant.device_name),
        key_id=key_id,
        valid_after=at - CLOCK_TOLERANCE,
        valid_before=until,
        source_address=grant.source_address,
        terminal=terminal,
        ports=ports,
    )


def _context(hospital_id: HospitalId, account_id: AccountId) -> str:
    return sealing_context(SealedKind.ACCOUNT_SECRET, hospital_id, account_id)
