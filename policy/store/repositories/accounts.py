"""Dedicated accounts and their sealed secrets."""

from collections.abc import Sequence

from sqlalchemy import case, delete, insert, select, update

from policy.domain.authorities import AuthorityState
from policy.domain.devices import AccountMethod, DedicatedAccount
from policy.domain.ids import AccountId, DeviceId, HospitalId
from policy.errors import SecretReused
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.accounts.c
_s = t.account_secrets.c
_a = t.device_authorities.c
VAULTED = case(
    (
        _c.method == AccountMethod.CERTIFICATE.value,
        select(_a.id)
        .where((_a.hospital_id == _c.hospital_id) & (_a.state == AuthorityState.SIGNING.value))
        .exists(),
    ),
    else_=select(_s.account_id).where((_s.hospital_id == _c.hospital_id) & (_s.account_id == _c.id)).exists(),
)
"""Whether the vault can open an account of the row of ``accounts`` that it stands beside."""


class Accounts(Repository):
    """Tables ``accounts`` and ``account_secrets``."""

    async def insert(self, account: DedicatedAccount) -> None:
        """Add an account, without a secret yet."""
        await self._connection.execute(insert(t.accounts).values(mapping.account_row(account)))

    async def update(self, account: DedicatedAccount) -> None:
        """Write the account's present values."""
        where = (_c.hospital_id == account.hospital_id) & (_c.id == account.id)
        await self._connection.execute(update(t.accounts).where(where).values(mapping.account_row(account)))

    async def get(self, hospital_id: HospitalId, account_id: AccountId) -> DedicatedAccount | None:
        """Return the account, None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.id == account_id)
        row = (
            await self._connection.execute(select(t.accounts, VAULTED.label("vaulted")).where(where))
        ).first()
        return None if row is None else mapping.account(row)

    async def list(
        self, hospital_id: HospitalId, device_id: DeviceId | None = None
    ) -> Sequence[DedicatedAccount]:
        """Return the accounts of one device, or of the whole hospital, by name."""
        query = (
            select(t.accounts, VAULTED.label("vaulted"))
            .where(_c.hospital_id == hospital_id)
            .order_by(_c.name, _c.id)
        )
        if device_id is not None:
            query = query.where(_c.device_id == device_id)
        return [mapping.account(row) for row in await self._connection.execute(query)]

    async def sealed_secret(self, hospital_id: HospitalId, account_id: AccountId) -> str | None:
        """Return the account's sealed secret, None where none is in the vault."""
        where = (_s.hospital_id == hospital_id) & (_s.account_id == account_id)
        return (await self._connection.execute(select(_s.sealed).where(where))).scalar()

    async def forget_secret(self, hospital_id: HospitalId, account_id: AccountId) -> None:
        """Take the account's secret out of the vault, if there is one."""
        mine = (_s.hospital_id == hospital_id) & (_s.account_id == account_id)
        await self._connection.execute(delete(t.account_secrets).where(mine))

    async def put_secret(
        self, hospital_id: HospitalId, account_id: AccountId, sealed: str, fingerprint: str
    ) -> None:
        """Write or replace the account's secret; raises SecretReused where another account has this fingerprint."""
        mine = (_s.hospital_id == hospital_id) & (_s.account_id == account_id)
        taken = (
            (_s.hospital_id == hospital_id) & (_s.fingerprint == fingerprint) & (_s.account_id != account_id)
        )
        if (await self._connection.execute(select(_s.account_id).where(taken))).first() is not None:
            raise SecretReused("this secret already serves another account: each account needs its own (T9)")
        await self._connection.execute(delete(t.account_secrets).where(mine))
        row = {
            "hospital_id": hospital_id,
            "account_id": account_id,
            "sealed": sealed,
            "fingerprint": fingerprint,
        }
        await self._connection.execute(insert(t.account_secrets).values(row))
