"""What people log in with: password hashes, sealed TOTP secrets and their used steps, public keys."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.ids import HospitalId, PersonId
from policy.errors import Conflict, NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.dialects import insertion
from policy.store.repositories.repository import Repository


class Credentials(Repository):
    """Tables ``passwords``, ``totp_secrets``, ``totp_uses`` and ``ssh_keys``.

    A person's id is unique over all hospitals, and her hospital's id is copied from her own row.
    """

    async def password_hash(self, person_id: PersonId) -> str | None:
        """Return the PHC string of the person's password, None where she has none."""
        query = select(t.passwords.c.password_hash).where(t.passwords.c.person_id == person_id)
        return (await self._connection.execute(query)).scalar()

    async def set_password_hash(self, person_id: PersonId, password_hash: str) -> None:
        """Write or replace the person's password hash; raises NotFound for an unknown person."""
        hospital_id = await self._hospital_of(person_id)
        await self._connection.execute(delete(t.passwords).where(t.passwords.c.person_id == person_id))
        row = {"hospital_id": hospital_id, "person_id": person_id, "password_hash": password_hash}
        await self._connection.execute(insert(t.passwords).values(row))

    async def totp_secret(self, person_id: PersonId) -> str | None:
        """Return the sealed TOTP secret, None where she has none or has not confirmed it with a code yet."""
        return await self._sealed(person_id, confirmed=True)

    async def pending_totp_secret(self, person_id: PersonId) -> str | None:
        """Return the sealed TOTP secret that waits for its first code, None where there is none."""
        return await self._sealed(person_id, confirmed=False)

    async def set_pending_totp_secret(self, person_id: PersonId, sealed: str) -> None:
        """Write or replace the person's TOTP secret; it counts only once it is confirmed."""
        hospital_id = await self._hospital_of(person_id)
        await self._connection.execute(delete(t.totp_secrets).where(t.totp_secrets.c.person_id == person_id))
        row = {"hospital_id": hospital_id, "person_id": person_id, "sealed": sealed, "confirmed": False}
        await self._connection.execute(insert(t.totp_secrets).values(row))

    async def confirm_totp_secret(self, person_id: PersonId) -> None:
        """Let the pending TOTP secret count from now on; raises NotFound where none is pending."""
        where = (t.totp_secrets.c.person_id == person_id) & ~t.totp_secrets.c.confirmed
        done = await self._connection.execute(update(t.totp_secrets).where(where).values(confirmed=True))
        if done.rowcount != 1:
            raise NotFound("pending TOTP secret of person", person_id)

    async def use_totp_step(self, person_id: PersonId, step: int) -> None:
        """Mark the TOTP *step* as used; raises Conflict where it was used before, and leaves the work usable."""
        row = {"hospital_id": await self._hospital_of(person_id), "person_id": person_id, "step": step}
        done = await self._connection.execute(
            insertion(self._connection, t.totp_uses).values(row).on_conflict_do_nothing()
        )
        if done.rowcount != 1:
            raise Conflict("this code was used before")

    async def ssh_keys(self, person_id: PersonId) -> Sequence[EnrolledKey]:
        """Return the person's public keys, oldest first."""
        query = select(t.ssh_keys).where(t.ssh_keys.c.person_id == person_id)
        rows = await self._connection.execute(query.order_by(t.ssh_keys.c.added_at, t.ssh_keys.c.fingerprint))
        return [_key(row) for row in rows]

    async def ssh_keys_of(
        self, hospital_id: HospitalId, people: Collection[PersonId]
    ) -> Sequence[EnrolledKey]:
        """Return the public keys of these *people*."""
        c = t.ssh_keys.c
        query = select(t.ssh_keys).where((c.hospital_id == hospital_id) & c.person_id.in_(list(people)))
        return [_key(row) for row in await self._connection.execute(query)]

    async def key_of_fingerprint(self, hospital_id: HospitalId, fingerprint: str) -> EnrolledKey | None:
        """Return the enrolled key of that fingerprint, whoever's it is, None where nobody has it."""
        where = (t.ssh_keys.c.hospital_id == hospital_id) & (t.ssh_keys.c.fingerprint == fingerprint)
        row = (await self._connection.execute(select(t.ssh_keys).where(where))).first()
        return None if row is None else _key(row)

    async def holders(self, hospital_id: HospitalId, fingerprints: Collection[str]) -> Mapping[str, PersonId]:
        """Return who has the enrolled keys of these *fingerprints*; what nobody has is left out."""
        c = t.ssh_keys.c
        query = select(c.fingerprint, c.person_id).where(
            (c.hospital_id == hospital_id) & c.fingerprint.in_(list(fingerprints))
        )
        return {row.fingerprint: row.person_id for row in await self._connection.execute(query)}

    async def insert_ssh_key(self, key: EnrolledKey) -> None:
        """Add a public key."""
        await self._connection.execute(insert(t.ssh_keys).values(mapping.columns(key)))

    async def delete_ssh_key(self, hospital_id: HospitalId, person_id: PersonId, fingerprint: str) -> None:
        """Remove a public key of the person; raises NotFound where she has none of that fingerprint."""
        c = t.ssh_keys.c
        where = (c.hospital_id == hospital_id) & (c.person_id == person_id) & (c.fingerprint == fingerprint)
        done = await self._connection.execute(delete(t.ssh_keys).where(where))
        if done.rowcount != 1:
            raise NotFound("public key", fingerprint)
        bound = t.token_certificates.c
        same = (bound.hospital_id == hospital_id) & (bound.key_fingerprint == fingerprint)
        await self._connection.execute(delete(t.token_certificates).where(same))

    async def forget(self, person_id: PersonId) -> None:
        """Remove her password, TOTP secret, public keys and their certificates. Used steps stay: a code serves once."""
        for table in (t.passwords, t.totp_secrets, t.ssh_keys, t.token_certificates):
            await self._connection.execute(delete(table).where(table.c.person_id == person_id))

    async def _sealed(self, person_id: PersonId, *, confirmed: bool) -> str | None:
        c = t.totp_secrets.c
        query = select(c.sealed).where((c.person_id == person_id) & (c.confirmed == confirmed))
        return (await self._connection.execute(query)).scalar()

    async def _hospital_of(self, person_id: PersonId) -> HospitalId:
        query = select(t.people.c.hospital_id).where(t.people.c.id == person_id)
        found: HospitalId | None = (await self._connection.execute(query)).scalar()
        if found is None:
            raise NotFound("person", person_id)
        return found


def _key(row: Row[Any]) -> EnrolledKey:
    return mapping.read(EnrolledKey, row, kind=KeyKind(row.kind))
