"""SSH authorities whose user certificates let technicians in, and their key revocation lists."""

from collections.abc import Sequence
from dataclasses import replace

from policy.authn import ssh_keys
from policy.authn.krl import KeyRevocationList
from policy.domain.certificates import LoginAuthority
from policy.domain.ids import HospitalId, PersonId, SupplierId, new_id
from policy.errors import Conflict
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service


class LoginAuthorityService(Service):
    """Whom the hospital believes about SSH certificates (X14: people's authorities are apart from the hosts')."""

    async def add(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        name: str,
        public_key: str,
        supplier_id: SupplierId | None = None,
    ) -> LoginAuthority:
        """Believe the authority with this public line: a plain key, about one supplier's people or everybody's.

        Raises InvalidInput for a certificate or a weak key, NotFound for the supplier, Conflict for a name or a
        key that is there already, or that is somebody's own.
        """
        parsed = ssh_keys.parse(public_key)
        authority = LoginAuthority(
            id=new_id(),
            hospital_id=hospital_id,
            name=inputs.line(name, "name"),
            public_key=" ".join(public_key.split()[:2]),
            fingerprint=parsed.fingerprint,
            supplier_id=supplier_id,
            krl=None,
            krl_at=None,
            added_at=self._clock.now(),
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            if supplier_id is not None:
                await work.suppliers.get(hospital_id, supplier_id)
            if await work.credentials.key_of_fingerprint(hospital_id, authority.fingerprint) is not None:
                raise Conflict("this key is somebody's own to log in with: an authority has a key apart")
            for other in await work.certificates.authorities(hospital_id):
                if authority.name == other.name or authority.fingerprint == other.fingerprint:
                    raise Conflict(f"this name or key is there already, as {other.name!r}")
            await work.certificates.insert_authority(authority)
            await work.emit("login_authority.added", hospital_id, authority.id, {}, _shown(authority))
        return authority

    async def take_krl(
        self, actor: PersonId, hospital_id: HospitalId, authority_id: str, content: bytes
    ) -> LoginAuthority:
        """Revoke what this list of OpenSSH names, from now on; raises InvalidInput, Conflict for an older version."""
        taken = KeyRevocationList(content)
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.certificates.authority(hospital_id, authority_id)
            if before.krl is not None and KeyRevocationList(before.krl).version > taken.version:
                raise Conflict("the list at hand has a higher version: what it revokes would be let in again")
            after = replace(before, krl=content, krl_at=self._clock.now())
            await work.certificates.update_authority(after)
            facts = {"version": taken.version, "name": after.name}
            await work.emit("login_authority.krl_taken", hospital_id, authority_id, {}, facts)
        return after

    async def remove(
        self, actor: PersonId, hospital_id: HospitalId, authority_id: str, *, reason: str
    ) -> None:
        """Believe an authority no longer: its certificates let nobody in from now on."""
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.certificates.authority(hospital_id, authority_id)
            await work.certificates.delete_authority(hospital_id, authority_id)
            await work.emit(
                "login_authority.removed", hospital_id, authority_id, _shown(before), {"reason": why}
            )

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[LoginAuthority]:
        """Return the hospital's authorities, by name."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.certificates.authorities(hospital_id)


def _shown(authority: LoginAuthority) -> dict[str, object]:
    return {
        "name": authority.name,
        "fingerprint": authority.fingerprint,
        "supplier_id": authority.supplier_id,
    }
