"""Dedicated accounts of devices (rule T9): their names here, their secrets in the vault."""

from collections.abc import Sequence
from dataclasses import replace

from policy.clock import Clock
from policy.domain.devices import AccountMethod, DedicatedAccount, Device
from policy.domain.ids import AccountId, DeviceId, HospitalId, PersonId, new_id
from policy.errors import Conflict, InvalidInput, NameTaken, NotFound
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.services.vault import VaultService
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork, View
from policy.vault.secret import Secret


class AccountService(Service):
    """The accounts that interventions use."""

    def __init__(self, database: Database, vault: VaultService, clock: Clock) -> None:
        """Keep accounts in *database*, and their secrets through *vault*."""
        super().__init__(database, clock)
        self._vault = vault

    async def add_account(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        device_id: DeviceId,
        *,
        name: str,
        method: AccountMethod,
        secret: Secret | None = None,
    ) -> DedicatedAccount:
        """Add an account of a device, with its *secret* in the vault; one that trusts certificates has none.

        Raises InvalidInput, Conflict for a name taken on this device or where no authority signs certificates
        yet, SecretReused where the secret serves another account already.
        """
        account = DedicatedAccount(
            id=AccountId(new_id()),
            hospital_id=hospital_id,
            device_id=device_id,
            name=inputs.name(name, "name"),
            method=inputs.choice(AccountMethod, method, "method"),
            vaulted=True,
            active=True,
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            await work.devices.get(hospital_id, device_id)
            others = await work.accounts.list(hospital_id, device_id)
            if any(other.name == account.name for other in others):
                raise NameTaken(f"this device has an account called {account.name!r} already")
            await work.accounts.insert(account)
            await self._keep(work, account, secret)
            await work.emit("account.created", hospital_id, account.id, {}, described(account))
        return account

    async def replace_secret(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        account_id: AccountId,
        secret: Secret | None,
        *,
        method: AccountMethod | None = None,
    ) -> DedicatedAccount:
        """Put another secret in the vault, or have the account trust certificates and forget its secret.

        *method* is what opens the account from now on, as before where it is left out. Raises InvalidInput,
        SecretReused, Conflict where no authority signs certificates yet.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await _account(work, hospital_id, account_id)
            kept = before.method if method is None else inputs.choice(AccountMethod, method, "method")
            after = replace(before, method=kept, vaulted=True)
            await work.accounts.update(after)
            await self._keep(work, after, secret)
            shown = ({"vaulted": one.vaulted, "method": one.method} for one in (before, after))
            await work.emit("account.secret_replaced", hospital_id, account_id, *shown)
        return after

    async def suspend_account(
        self, actor: PersonId, hospital_id: HospitalId, account_id: AccountId, *, reason: str
    ) -> DedicatedAccount:
        """Let no session use this account, and end those that do."""
        return await self._turn_account(actor, hospital_id, account_id, active=False, reason=reason)

    async def resume_account(
        self, actor: PersonId, hospital_id: HospitalId, account_id: AccountId, *, reason: str
    ) -> DedicatedAccount:
        """Let sessions use this account again."""
        return await self._turn_account(actor, hospital_id, account_id, active=True, reason=reason)

    async def accounts(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId
    ) -> Sequence[DedicatedAccount]:
        """Return the device's accounts, by name; raises NotFound for the device."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            await view.devices.get(hospital_id, device_id)
            return await view.accounts.list(hospital_id, device_id)

    async def _keep(self, work: UnitOfWork, account: DedicatedAccount, secret: Secret | None) -> None:
        if account.method is not AccountMethod.CERTIFICATE:
            await self._vault.store_secret(work, account, secret or Secret(""))
            return
        if secret is not None:
            raise InvalidInput("secret", "leave it out: an account that trusts certificates has none")
        if await work.authorities.signing(account.hospital_id) is None:
            raise Conflict(
                "the hospital has no SSH authority yet: make one (ecluse accounts ca-make), "
                "and have the device trust it"
            )
        await work.accounts.forget_secret(account.hospital_id, account.id)

    async def _forget_secrets(self, work: UnitOfWork, device: Device) -> None:
        for account in await work.accounts.list(device.hospital_id, device.id):
            if account.vaulted and account.method is not AccountMethod.CERTIFICATE:
                await work.accounts.forget_secret(device.hospital_id, account.id)
                shown = {"vaulted": True}, {"vaulted": False}
                await work.emit("account.secret_forgotten", device.hospital_id, account.id, *shown)

    async def _turn_account(
        self, actor: PersonId, hospital_id: HospitalId, account_id: AccountId, *, active: bool, reason: str
    ) -> DedicatedAccount:
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.RESUME if active else Duty.STOP) as work:
            before = await _account(work, hospital_id, account_id)
            after = replace(before, active=active)
            await work.accounts.update(after)
            name = "account.resumed" if active else "account.suspended"
            facts = {"active": active, "reason": why}
            await work.emit(name, hospital_id, account_id, {"active": before.active}, facts)
        return after


async def _account(view: View, hospital_id: HospitalId, account_id: AccountId) -> DedicatedAccount:
    account = await view.accounts.get(hospital_id, account_id)
    if account is None:
        raise NotFound("account", account_id)
    return account
