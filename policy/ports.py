"""What authentication and the vault ask of the store, as protocols the store's repositories fulfil."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from policy.clock import Clock
from policy.domain.attempts import Attempt, AttemptOutcome
from policy.domain.authorities import DeviceAuthority
from policy.domain.certificates import LoginAuthority, RevocationList, TokenCertificate, TrustAnchor
from policy.domain.continuations import Continuation
from policy.domain.credentials import EnrolledKey, SealedRow
from policy.domain.devices import DedicatedAccount
from policy.domain.hospitals import Hospital
from policy.domain.ids import AccountId, HospitalId, PersonId
from policy.domain.people import Person
from policy.domain.suppliers import Supplier


class Attempts(Protocol):
    """Table ``attempts``: the columns of ``Attempt`` and a growing sequence number; kept over a restart."""

    async def hold(self, hospital_id: HospitalId, login: str, origin: str) -> None:
        """Wait until no other unit of work decides on this login or this origin, and keep them out until its end.

        PostgreSQL: ``pg_advisory_xact_lock`` on a hash of each, in sorted order. SQLite: nothing to do,
        BEGIN IMMEDIATE already keeps every other writer out.
        """

    async def recent(
        self, hospital_id: HospitalId, login: str, origin: str, since: datetime
    ) -> Sequence[Attempt]:
        """Return the attempts on *login* (from anywhere) or from *origin* (on anybody) since *since*.

        In the order they were inserted, which a clock that steps back does not change.
        """

    async def insert(self, attempt: Attempt) -> None:
        """Add an attempt."""

    async def settle(self, attempt_id: str, outcome: AttemptOutcome) -> None:
        """Write the outcome of a pending attempt; raises NotFound where it is not pending."""


class Credentials(Protocol):
    """Tables ``passwords``, ``totp_secrets``, ``totp_uses`` and ``ssh_keys``."""

    async def password_hash(self, person_id: PersonId) -> str | None:
        """Return the PHC string of the person's password, None where she has none."""

    async def set_password_hash(self, person_id: PersonId, password_hash: str) -> None:
        """Write or replace the person's password hash."""

    async def totp_secret(self, person_id: PersonId) -> str | None:
        """Return the sealed TOTP secret, None where she has none or has not confirmed it with a code yet."""

    async def use_totp_step(self, person_id: PersonId, step: int) -> None:
        """Insert into ``totp_uses``, unique on (person_id, step).

        Raises Conflict where the step was used before, and leaves the unit of work usable
        (INSERT … ON CONFLICT DO NOTHING, then look at the row count).
        """

    async def ssh_keys(self, person_id: PersonId) -> Sequence[EnrolledKey]:
        """Return the person's public keys."""

    async def key_of_fingerprint(self, hospital_id: HospitalId, fingerprint: str) -> EnrolledKey | None:
        """Return the enrolled key of that fingerprint, whoever's it is, None where nobody has it."""


class SealedRows(Protocol):
    """Every sealed envelope of the database, across hospitals, for key rotation: account and TOTP secrets.

    Pending TOTP secrets (enrolment not confirmed) are TOTP secrets too.
    """

    async def not_under(self, key_id: str, limit: int) -> Sequence[SealedRow]:
        """Return at most *limit* rows whose envelope does not start with ``ecv1:<key_id>:``."""

    async def under(self, key_id: str) -> int:
        """Return how many rows have an envelope that starts with ``ecv1:<key_id>:``."""

    async def replace(self, row: SealedRow, sealed: str) -> bool:
        """Replace the row's envelope by *sealed* if it still is ``row.sealed``; tell whether it was."""


class AccountSecrets(Protocol):
    """Table ``account_secrets``: account_id, hospital_id, sealed, fingerprint; unique (hospital_id, fingerprint)."""

    async def get(self, hospital_id: HospitalId, account_id: AccountId) -> DedicatedAccount | None:
        """Return the account, None where there is none in this hospital."""

    async def sealed_secret(self, hospital_id: HospitalId, account_id: AccountId) -> str | None:
        """Return the account's sealed secret, None where none is in the vault."""

    async def put_secret(
        self, hospital_id: HospitalId, account_id: AccountId, sealed: str, fingerprint: str
    ) -> None:
        """Write or replace the account's secret; raises SecretReused where another account has this fingerprint."""


class Authorities(Protocol):
    """Tables ``device_authorities`` and ``authority_keys``."""

    async def signing(self, hospital_id: HospitalId) -> tuple[DeviceAuthority, str] | None:
        """Return the authority that signs now and its sealed key, None where the hospital has none."""


class Certificates(Protocol):
    """Tables ``token_certificates``, ``trust_anchors``, ``revocation_lists`` and ``login_authorities``."""

    async def of_person(self, hospital_id: HospitalId, person_id: PersonId) -> Sequence[TokenCertificate]:
        """Return the person's token certificates, the one that lasts longest first."""

    async def anchors(self, hospital_id: HospitalId) -> Sequence[TrustAnchor]:
        """Return the hospital's trust anchors."""

    async def lists(self, hospital_id: HospitalId, anchor_id: str) -> Sequence[RevocationList]:
        """Return the revocation lists taken for an anchor."""

    async def authorities(self, hospital_id: HospitalId) -> Sequence[LoginAuthority]:
        """Return the SSH authorities whose user certificates let people in."""

    async def mark_revoked(
        self, certificate: TokenCertificate, revoked_as: str, at: datetime, by: str
    ) -> bool:
        """Keep that the responder *by* said it is revoked; tell whether that is news."""


class Responder(Protocol):
    """Asks OCSP responders (RFC 6960), over HTTP."""

    async def ask(self, url: str, request: bytes) -> bytes | None:
        """Return the answer of the responder at *url*; None where there is none in a few seconds."""


class People(Protocol):
    """Table ``people``."""

    async def by_login(self, hospital_id: HospitalId, login: str) -> Person | None:
        """Return the person of that login, None where there is none in this hospital."""


class Suppliers(Protocol):
    """Table ``suppliers``."""

    async def list(self, hospital_id: HospitalId) -> Sequence[Supplier]:
        """Return the hospital's suppliers with their declared sites."""


class Continuations(Protocol):
    """Table ``continuations``."""

    async def insert(self, continuation: Continuation) -> None:
        """Add a continuation in place of what its person had on that device from there."""

    async def find(
        self, hospital_id: HospitalId, person_id: PersonId, device: str, source: str, first: str
    ) -> Continuation | None:
        """Return the continuation of a log-in that began with *first*, whether or not it is over."""

    async def take(self, continuation: Continuation, most: int, at: datetime) -> bool:
        """Count one more connection; False where *most*, or the end, is reached."""

    async def end(self, continuation: Continuation) -> None:
        """Let nobody continue that log-in any more."""

    async def touched(self, continuation: Continuation) -> bool:
        """Tell whether policy has changed since about its person, device, windows or sessions."""


class Outbox(Protocol):
    """Table ``outbox``."""

    async def head(self) -> int:
        """Return the last position committed, 0 where there is none."""


class Hospitals(Protocol):
    """Table ``hospitals``."""

    async def list(self) -> Sequence[Hospital]:
        """Return every hospital of the installation."""


class View(Protocol):
    """One snapshot, for reading only."""

    @property
    def attempts(self) -> Attempts:
        """Log-in attempts."""
        ...

    @property
    def credentials(self) -> Credentials:
        """What people log in with."""
        ...

    @property
    def certificates(self) -> Certificates:
        """Certificates, and whom the hospital believes about them."""
        ...

    @property
    def people(self) -> People:
        """People."""
        ...

    @property
    def suppliers(self) -> Suppliers:
        """Suppliers."""
        ...

    @property
    def hospitals(self) -> Hospitals:
        """Hospitals."""
        ...

    @property
    def continuations(self) -> Continuations:
        """What completed log-ins leave open."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Every change to policy."""
        ...

    @property
    def accounts(self) -> AccountSecrets:
        """Dedicated accounts and their sealed secrets."""
        ...

    @property
    def authorities(self) -> Authorities:
        """The authorities that devices trust."""
        ...

    @property
    def sealed(self) -> SealedRows:
        """Every sealed envelope."""
        ...


class UnitOfWork(View, Protocol):
    """One transaction: committed when it is left cleanly, rolled back otherwise."""

    async def emit(
        self,
        name: str,
        hospital_id: HospitalId,
        subject: str,
        before: dict[str, object],
        after: dict[str, object],
    ) -> None:
        """Commit a policy event with the change (invariant 9)."""


class Store(Protocol):
    """The policy database, as authentication and the vault see it. Its failures are PolicyUnavailable."""

    def unit_of_work(self, actor: PersonId | None, clock: Clock) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a transaction on behalf of *actor* (None: the installation itself)."""

    def read(self) -> AbstractAsyncContextManager[View]:
        """Open a snapshot for reading."""
