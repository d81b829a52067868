"""A small hospital for log-in tests: real store, real keyring, people who have enrolled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyotp

from policy.authn import ssh_keys, totp
from policy.authn.passwords import Passwords, PasswordSettings
from policy.clock import ManualClock
from policy.domain.credentials import EnrolledKey, SealedKind, sealing_context
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId, SiteId, SupplierId, new_id
from policy.domain.logins import LoginOutcome
from policy.domain.people import Language, Person, Role
from policy.domain.suppliers import Site, Supplier
from policy.services.login import LoginService
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from tests.support.schemas import policy_schema

AT = datetime(2026, 10, 3, 20, 15, 7, tzinfo=UTC)
SITE = "192.0.2.10"
"""An address of alice's and bob's supplier."""
STRANGER = "203.0.113.9"
"""An address that nobody declared."""
RIGHT = Secret("vif-Rhubarbe.41-tuba")
"""Everybody's password."""
CHEAP = PasswordSettings(passes=1, memory=8, lanes=1)


@dataclass
class House:
    """One process of the installation, with the journal's entries in ``outcomes``."""

    database: Database
    keyring: Keyring
    passwords: Passwords
    clock: ManualClock
    settings: PolicySettings
    hospital: Hospital
    login: LoginService
    totp_secret: Secret
    outcomes: list[LoginOutcome] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """Everybody's code, *steps* time steps from now."""
        return pyotp.TOTP(self.totp_secret.reveal()).generate_otp(totp.current_step(self.clock.now()) + steps)

    async def note(self, outcome: LoginOutcome) -> None:
        """Write the outcome where tests read it."""
        self.outcomes.append(outcome)

    async def person(self, login: str) -> Person:
        """The person of that login."""
        async with self.database.read() as view:
            person = await view.people.by_login(self.hospital.id, login)
        if person is None:
            raise LookupError(login)
        return person

    async def attempts(self, login: str, origin: str = "-") -> list[str]:
        """The outcomes in the table ``attempts`` for *login*, oldest first."""
        async with self.database.read() as view:
            rows = await view.attempts.recent(
                self.hospital.id, login, origin, datetime.min.replace(tzinfo=UTC)
            )
        return [row.outcome.value for row in rows]

    async def enrol(self, login: str, *, supplier: SupplierId | None, active: bool = True) -> Person:
        """Add a person with everybody's password and TOTP secret."""
        person = Person(
            id=PersonId(new_id()),
            hospital_id=self.hospital.id,
            login=login,
            full_name=login.capitalize(),
            email=f"{login}@imagix.example",
            language=Language.FRENCH,
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=supplier,
            active=active,
        )
        context = sealing_context(SealedKind.TOTP_SECRET, self.hospital.id, person.id)
        async with self.database.unit_of_work(None, self.clock) as work:
            await work.people.insert(person)
            await work.credentials.set_password_hash(person.id, self.passwords.hash(RIGHT))
            await work.credentials.set_pending_totp_secret(
                person.id, self.keyring.seal(self.totp_secret, context)
            )
            await work.credentials.confirm_totp_secret(person.id)
        return person

    async def add_key(self, login: str, public_line: str) -> bytes:
        """Enrol a public key for *login* and return its blob."""
        key = ssh_keys.parse(public_line)
        person = await self.person(login)
        enrolled = EnrolledKey(
            hospital_id=self.hospital.id,
            person_id=person.id,
            algorithm=key.algorithm,
            blob=key.blob,
            fingerprint=key.fingerprint,
            label="laptop",
            added_at=self.clock.now(),
        )
        async with self.database.unit_of_work(None, self.clock) as work:
            await work.credentials.insert_ssh_key(enrolled)
        return key.blob


@asynccontextmanager
async def another_process(house: House) -> AsyncIterator[House]:
    """A second process on the same database and keyring, with its own engine, threads and memory."""
    database = await Database.open(house.settings.database_url)
    passwords = Passwords(CHEAP)
    keyring = Keyring.load(house.settings.keyring_directory)
    login = LoginService(database, keyring, passwords, house.clock, house.settings)
    other = House(
        database=database,
        keyring=keyring,
        passwords=passwords,
        clock=house.clock,
        settings=house.settings,
        hospital=house.hospital,
        login=login,
        totp_secret=house.totp_secret,
    )
    login.journal_to(other.note)
    try:
        yield other
    finally:
        await login.close()
        passwords.close()
        await database.close()


@asynccontextmanager
async def open_house(
    directory: Path, hashing: PasswordSettings = CHEAP, database_url: str | None = None
) -> AsyncIterator[House]:
    """A hospital whose supplier Imagix declared 192.0.2.0/24, with alice, bob, and mallory of no supplier.

    On SQLite in *directory*, or on the empty database at *database_url*.
    """
    settings = PolicySettings(
        database_url=database_url or f"sqlite:///{directory / 'policy.sqlite'}",
        keyring_directory=directory / "keyring",
    )
    clock = ManualClock(AT)
    await policy_schema(settings.database_url)
    database = await Database.open(settings.database_url)
    keyring = await asyncio.to_thread(Keyring.generate, settings.keyring_directory)
    passwords = Passwords(hashing)
    login = LoginService(database, keyring, passwords, clock, settings)
    house = House(
        database=database,
        keyring=keyring,
        passwords=passwords,
        clock=clock,
        settings=settings,
        hospital=Hospital(
            id=HospitalId(new_id()), name="CH de Nulle-Part", timezone="Europe/Paris", security_contact="RSSI"
        ),
        login=login,
        totp_secret=totp.new_secret(),
    )
    login.journal_to(house.note)
    site = Site(id=SiteId(new_id()), name="Lyon", country="FR", networks=("192.0.2.0/24", "2001:db8::/32"))
    imagix = Supplier(
        id=SupplierId(new_id()), hospital_id=house.hospital.id, name="Imagix", active=True, sites=(site,)
    )
    async with database.unit_of_work(None, clock) as work:
        await work.hospitals.insert(house.hospital)
        await work.suppliers.insert(imagix)
    await house.enrol("alice", supplier=imagix.id)
    await house.enrol("bob", supplier=imagix.id)
    await house.enrol("mallory", supplier=None)
    try:
        yield house
    finally:
        await login.close()
        passwords.close()
        await database.close()
