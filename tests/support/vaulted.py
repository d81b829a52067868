"""A vault on a real store: scan01 with its account maint, whose password is in the vault, during the window."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text

from policy.clock import ManualClock
from policy.domain.devices import AccountMethod, DedicatedAccount
from policy.domain.ids import AccountId
from policy.services.vault import VaultService
from policy.store.database import Database
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from tests.support.facts import ACCOUNT, DEVICE, DURING, HOSPITAL, ZONE
from tests.support.schemas import policy_schema

PASSWORD = Secret("kX7-entrepot-Zebre")


@dataclass
class Vaulted:
    """A vault, its store and its keyring."""

    database: Database
    keyring: Keyring
    clock: ManualClock
    vault: VaultService

    async def add(self, account: DedicatedAccount, secret: Secret) -> None:
        """Store *secret* for the account, inserted first if it is new."""
        async with self.database.unit_of_work(None, self.clock) as work:
            if await work.accounts.get(account.hospital_id, account.id) is None:
                await work.accounts.insert(account)
            await self.vault.store_secret(work, account, secret)

    async def column(self, statement: str) -> list[str]:
        """The first column of a query on the database itself."""
        async with self.database.read() as view:
            return [str(value) for value in (await view.connection.execute(text(statement))).scalars()]


@asynccontextmanager
async def open_vault(directory: Path) -> AsyncIterator[Vaulted]:
    """Open a vault in the empty *directory*; the clock stands in the window."""
    url = f"sqlite:///{directory / 'policy.sqlite'}"
    await policy_schema(url)
    database = await Database.open(url)
    keyring = await asyncio.to_thread(Keyring.generate, directory / "keyring")
    clock = ManualClock(DURING)
    made = Vaulted(database, keyring, clock, VaultService(database, keyring, clock))
    async with database.unit_of_work(None, clock) as work:
        await work.hospitals.insert(HOSPITAL)
        await work.zones.insert(ZONE)
        await work.devices.insert(DEVICE)
    await made.add(ACCOUNT, PASSWORD)
    try:
        yield made
    finally:
        await database.close()


def account(name: str, method: AccountMethod = AccountMethod.PASSWORD) -> DedicatedAccount:
    """Another account of scan01."""
    return replace(ACCOUNT, id=AccountId(f"id-{name}"), name=name, method=method)
