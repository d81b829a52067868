"""The people who log in while we measure: as many as there are log-ins, since a code serves once."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyotp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.cards import Cards, SshCertificates
from ecluse.demo.device import DemoDevice
from policy.clock import Clock
from policy.domain.devices import AccountMethod
from policy.domain.ids import DeviceId, HospitalId, PersonId, SupplierId
from policy.domain.interventions import InterventionKind
from policy.domain.people import Role
from policy.domain.windows import Channel
from policy.errors import AuthenticationFailed, NotFound
from policy.services import Services
from policy.vault.secret import Secret
from tests.support.authenticator import TOUCHED, VERIFIED, SecurityKey

ENROL_AT_ONCE = 4
STEP = timedelta(seconds=30)
OPEN_FOR = timedelta(hours=4)
HERE = "127.0.0.1"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """Somebody who may reach the device through the bastion, once for each of her codes."""

    person_id: PersonId
    login: str
    password: str
    totp_secret: str
    key: Path
    token: Path
    certified: Path
    security_key: Path


class Planning:
    """The hospital's side before the intervention, by policy's own services and with its own cost of a password."""

    def __init__(self, services: Services, clock: Clock, keys: Path) -> None:
        """Keep the technicians' private keys in the folder *keys*, which is made."""
        self._services = services
        self._clock = clock
        self._keys = keys
        self._turn = asyncio.Semaphore(ENROL_AT_ONCE)
        self.security_keys: list[SecurityKey] = []
        """Those of all technicians: an agent serves them, for their keys are in no file."""

    async def prepare(self, device: DemoDevice, count: int, tell: Tell) -> list[Technician]:
        """Declare *device*, enrol *count* technicians, and open a window for them; returns them."""
        hospital = (await self._services.hospitals.list())[0].id
        dsi, denis = [await self._staff(hospital, login) for login in ("dsi", "denis")]
        supplier = (await self._services.suppliers.list(dsi, hospital))[0].id
        declared = await self._declare(dsi, hospital, device)
        self._keys.mkdir(mode=0o700)
        cards = Cards(self._services, dsi, hospital, self._clock.now())
        await cards.believe(supplier)
        certificates = SshCertificates(self._services, dsi, hospital, self._clock.now())
        await certificates.believe(supplier)
        enrolled: list[Technician] = []

        async def enrol(number: int) -> None:
            async with self._turn:
                enrolled.append(await self._enrol(dsi, hospital, supplier, cards, certificates, number))
            tell(f"technicians enrolled: {len(enrolled)} of {count}")

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(enrol(number))
        now = self._clock.now()
        planned = await self._services.windows.plan(
            dsi,
            hospital,
            purpose="Mesures",
            people=[technician.person_id for technician in enrolled],
            devices=[declared],
            channels=tuple(Channel),
            kind=InterventionKind.REMOTE_MAINTENANCE,
            supplier_id=supplier,
            start=now - STEP,
            end=now + OPEN_FOR,
        )
        window = planned.window
        await self._services.windows.approve(denis, hospital, window.id, version=window.version)
        return enrolled

    async def _staff(self, hospital: HospitalId, login: str) -> PersonId:
        async with self._services.database.read() as view:
            person = await view.people.by_login(hospital, login)
        if person is None:
            raise NotFound("person", login)
        return person.id

    async def _declare(self, dsi: PersonId, hospital: HospitalId, device: DemoDevice) -> DeviceId:
        devices = self._services.devices
        zone = (await devices.zones(dsi, hospital))[0]
        row = await devices.create(
            dsi, hospital, name=device.name, zone_id=zone.id, address=device.host, port=device.port
        )
        await devices.pin_host_key(dsi, hospital, row.id, device.host_key_public)
        await devices.add_account(
            dsi,
            hospital,
            row.id,
            name=device.account.name,
            method=AccountMethod.PASSWORD,
            secret=Secret(device.account.password or ""),
        )
        return row.id

    async def _enrol(
        self,
        dsi: PersonId,
        hospital: HospitalId,
        supplier: SupplierId,
        cards: Cards,
        certificates: SshCertificates,
        number: int,
    ) -> Technician:
        people = self._services.people
        login, password = f"camille{number:04}", "-".join(secrets.token_hex(3) for _ in range(4))
        person = await people.create(
            dsi,
            hospital,
            login=login,
            full_name=f"Camille {number}",
            email=f"{login}@imagix.example",
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=supplier,
        )
        invited = await people.invite(dsi, hospital, person.id)
        secret = (await people.enrol(invited.token, Secret(password))).secret
        texts = await people.engagements(invited.token)
        await people.accept(invited.token, {text.kind: text.version for text in texts}, HERE)
        await self._confirm(invited.token, pyotp.TOTP(secret.reveal()))
        private, public = _key_pair()
        await people.add_key(dsi, hospital, person.id, public)
        path = self._keys / login
        path.touch(mode=0o600)
        path.write_bytes(private)
        token = self._keys / f"{login}.token"
        await cards.give(person.id, token)
        certified = self._keys / f"{login}.certified"
        certificates.give(login, certified)
        security_key = SecurityKey(flags=TOUCHED | VERIFIED)
        await people.add_key(dsi, hospital, person.id, security_key.line)
        self.security_keys.append(security_key)
        shown = self._keys / f"{login}.security"
        shown.with_name(f"{shown.name}.pub").write_text(f"{security_key.line}\n")
        return Technician(
            person_id=person.id,
            login=login,
            password=password,
            totp_secret=secret.reveal(),
            key=path,
            token=token,
            certified=certified,
            security_key=shown,
        )

    async def _confirm(self, invitation: Secret, codes: pyotp.TOTP) -> None:
        """Prove an earlier step's code, so that the present one is still good to log in with."""
        try:
            await self._services.people.confirm_totp(invitation, codes.at(self._clock.now() - STEP))
        except AuthenticationFailed:  # the next step began before the code was looked at
            await self._services.people.confirm_totp(invitation, codes.at(self._clock.now() - STEP))


def _key_pair() -> tuple[bytes, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()
