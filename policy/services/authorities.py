"""The hospital's SSH authority: made and sealed in the vault, known to devices by its public line alone."""

from collections.abc import Sequence
from dataclasses import replace

from policy.authn import ssh_keys
from policy.clock import Clock
from policy.domain.authorities import AuthorityState, DeviceAuthority
from policy.domain.credentials import SealedKind, sealing_context
from policy.domain.ids import AuthorityId, HospitalId, PersonId, new_id
from policy.errors import Conflict
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.database import Database
from policy.vault.certificates import new_authority_key
from policy.vault.keyring import Keyring


class AuthorityService(Service):
    """Makes the authority that accounts of method ``certificate`` trust, and hands over from one to the next."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        """Seal under *keyring* what *database* keeps."""
        super().__init__(database, clock)
        self._keyring = keyring

    async def make(self, actor: PersonId, hospital_id: HospitalId) -> DeviceAuthority:
        """Make an authority: the first one signs at once, a later one waits until devices trust it.

        Raises Conflict where one waits already.
        """
        private, line = new_authority_key()
        authority_id = AuthorityId(new_id())
        context = sealing_context(SealedKind.AUTHORITY_KEY, hospital_id, authority_id)
        sealed = self._keyring.seal(private, context)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            states = {one.state for one in await work.authorities.list(hospital_id)}
            if AuthorityState.COMING in states:
                raise Conflict(
                    "an authority is waiting already: once the devices trust it, switch to it "
                    "(ecluse accounts ca-switch)"
                )
            first = AuthorityState.SIGNING not in states
            authority = DeviceAuthority(
                id=authority_id,
                hospital_id=hospital_id,
                state=AuthorityState.SIGNING if first else AuthorityState.COMING,
                public_key=line,
                fingerprint=ssh_keys.parse(line).fingerprint,
                made_at=self._clock.now(),
                made_by=actor,
            )
            await work.authorities.insert(authority, sealed)
            shown = {"state": authority.state, "fingerprint": authority.fingerprint}
            await work.emit("authority.made", hospital_id, authority.id, {}, shown)
        return authority

    async def switch(
        self, actor: PersonId, hospital_id: HospitalId, authority_id: AuthorityId
    ) -> DeviceAuthority:
        """Have the waiting authority sign from now on. The key of the one before is destroyed.

        Raises NotFound, and Conflict where that authority does not wait.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            coming = await work.authorities.get(hospital_id, authority_id)
            if coming.state is not AuthorityState.COMING:
                raise Conflict(f"this authority is {coming.state.value}: only one that waits can take over")
            for old in await work.authorities.list(hospital_id):
                if old.state is AuthorityState.SIGNING:
                    gone = replace(old, state=AuthorityState.RETIRED, retired_at=self._clock.now())
                    await work.authorities.update(gone)
                    await work.authorities.destroy_key(hospital_id, old.id)
                    await work.emit("authority.retired", hospital_id, old.id, _shown(old), _shown(gone))
            signing = replace(coming, state=AuthorityState.SIGNING)
            await work.authorities.update(signing)
            await work.emit("authority.switched", hospital_id, signing.id, _shown(coming), _shown(signing))
        return signing

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[DeviceAuthority]:
        """Return the hospital's authorities, retired ones included, the first made first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.authorities.list(hospital_id)


def _shown(authority: DeviceAuthority) -> dict[str, object]:
    return {"state": authority.state, "fingerprint": authority.fingerprint}
