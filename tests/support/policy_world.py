"""The fixture hospital, made through the services alone: Imagix's people, one device, one window open now."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyotp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.authn.passwords import Passwords, PasswordSettings
from policy.clock import Clock
from policy.domain.access import AccessRequest, Grant
from policy.domain.alarms import Severity
from policy.domain.devices import AccountMethod, DedicatedAccount, Device, Zone
from policy.domain.hospitals import Hospital
from policy.domain.ids import DeviceId, HospitalId, PersonId, SiteId, new_id
from policy.domain.interventions import InterventionKind
from policy.domain.people import Factor, Person, Role
from policy.domain.suppliers import Site, Supplier
from policy.domain.windows import OUTAGE_GRACE, Channel, Forward, IdleRule, Recurrence, Window
from policy.errors import AuthenticationFailed
from policy.services import Services, build
from policy.services.people import Invited
from policy.settings import PolicySettings
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from tests.support.schemas import policy_schema

CHEAP: Final = PasswordSettings(passes=1, memory=64, lanes=1)
"""Password hashing that costs nothing: what is tested here is not how slow it is."""
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
HALF_AN_HOUR: Final = timedelta(minutes=30)


@dataclass(kw_only=True)
class World:
    """A hospital to try things on. ``people``, ``passwords`` and ``totp_secrets`` are by login. Close it."""

    services: Services
    clock: Clock
    hospital: Hospital
    supplier: Supplier
    people: dict[str, Person]
    passwords: dict[str, Secret]
    totp_secrets: dict[str, Secret]
    zone: Zone
    device: Device
    account: DedicatedAccount
    account_secret: Secret
    _window: Window | None = field(default=None, repr=False)
    _keyring: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def id(self) -> HospitalId:
        """The hospital's id."""
        return self.hospital.id

    @property
    def window(self) -> Window:
        """The window that is open for alice."""
        assert self._window is not None
        return self._window

    @window.setter
    def window(self, window: Window) -> None:
        self._window = window

    def who(self, login: str) -> PersonId:
        """Return the id of the person of that login."""
        return self.people[login].id

    def code(self, login: str) -> str:
        """Return the person's code of this very moment; it serves once."""
        return pyotp.TOTP(self.totp_secrets[login].reveal()).at(self.clock.now())

    def request(
        self,
        login: str = "alice",
        device: str = "scan01",
        *,
        account: str | None = None,
        source: str = "127.0.0.1",
    ) -> AccessRequest:
        """Return what somebody asks for after a full log-in."""
        return AccessRequest(
            hospital_id=self.id,
            person_id=self.who(login),
            device_name=device,
            account_name=account,
            source=source,
            factors=frozenset({Factor.PASSWORD, Factor.TOTP}),
        )

    async def grant(self, login: str = "alice", device: str = "scan01") -> Grant:
        """Return a grant, decided now; fails where it is refused."""
        answer = await self.services.access.decide(self.request(login, device))
        assert isinstance(answer, Grant), answer
        return answer

    async def add_window(
        self,
        *,
        people: Iterable[str] = ("alice",),
        devices: Iterable[DeviceId] | None = None,
        groups: Iterable[str] = (),
        opens_in: timedelta = -HALF_AN_HOUR,
        lasts: timedelta = 4 * HALF_AN_HOUR,
        channels: Iterable[Channel] = tuple(Channel),
        account: str | None = None,
        idle: IdleRule | None = None,
        recurrence: Recurrence | None = None,
        approve: bool = True,
        forwards: Iterable[Forward] = (),
        kind: InterventionKind = InterventionKind.REMOTE_MAINTENANCE,
    ) -> Window:
        """Return a window that dsi asked for and, if *approve*, denis approved; relative to now."""
        start = self.clock.now() + opens_in
        planned = await self.services.windows.plan(
            self.who("dsi"),
            self.id,
            purpose="Mise à jour du logiciel",
            people=[self.who(login) for login in people],
            devices=[self.device.id] if devices is None else devices,
            groups=groups,
            channels=channels,
            forwards=forwards,
            account=account,
            idle=idle,
            kind=kind,
            supplier_id=self.supplier.id,
            start=None if recurrence else start,
            end=None if recurrence else start + lasts,
            recurrence=recurrence,
        )
        if not approve:
            return planned.window
        return await self.services.windows.approve(
            self.who("denis"), self.id, planned.window.id, version=planned.window.version
        )

    async def add_device(self, name: str, *, groups: Iterable[str] = ()) -> Device:
        """Return another device of the zone, with a pinned host key and an account ``maint``."""
        administrator = self.who("dsi")
        device = await self.services.devices.create(
            administrator, self.id, name=name, zone_id=self.zone.id, address="127.0.0.1", groups=groups
        )
        await self.services.devices.add_account(
            administrator,
            self.id,
            device.id,
            name="maint",
            method=AccountMethod.PASSWORD,
            secret=Secret(new_id()),
        )
        return await self.services.devices.pin_host_key(administrator, self.id, device.id, host_key_line())

    async def enrol(self, invited: Invited) -> None:
        """Let the person take her invitation up; the code of this moment is still hers to use."""
        login = invited.person.login
        password = Secret(f"{login[::-1]} walks in by the lock {new_id()[:8]}")
        enrolment = await self.services.people.enrol(invited.token, password)
        texts = await self.services.people.engagements(invited.token)
        versions = {text.kind: text.version for text in texts}
        await self.services.people.accept(invited.token, versions, "127.0.0.1")
        totp = pyotp.TOTP(enrolment.secret.reveal())
        try:
            self.people[login] = await self._confirm(invited, totp)
        except AuthenticationFailed:  # a real clock's next step began between code and answer
            self.people[login] = await self._confirm(invited, totp)
        self.passwords[login] = password
        self.totp_secrets[login] = enrolment.secret

    async def _confirm(self, invited: Invited, totp: pyotp.TOTP) -> Person:
        before = self.clock.now() - timedelta(seconds=30)
        return await self.services.people.confirm_totp(invited.token, totp.at(before))

    async def reopen(
        self, database_url: str, clock: Clock, keyring_directory: Path | None = None, **settings: Any
    ) -> "World":
        """Return this world over a copy of its database; each is closed on its own, this one last.

        *keyring_directory*: a copy of its keyring, where the copy may change it; *settings* are policy's.
        """
        told = replace(
            self.services.settings,
            database_url=database_url,
            keyring_directory=keyring_directory or self.services.settings.keyring_directory,
            **settings,
        )
        services = await build(told, clock, passwords=Passwords(CHEAP))
        return replace(
            self,
            services=services,
            clock=clock,
            people=dict(self.people),
            passwords=dict(self.passwords),
            totp_secrets=dict(self.totp_secrets),
            _keyring=None,
        )

    async def stand_at(
        self, address: str, port: int, host_key: str, method: AccountMethod, secret: Secret
    ) -> None:
        """Have the device stand elsewhere from the beginning, opened by *secret*: no event tells of it."""
        self.device = replace(
            self.device, address=address, port=port, host_keys=(" ".join(host_key.split()[:2]),)
        )
        self.account, self.account_secret = replace(self.account, method=method), secret
        async with self.services.database.unit_of_work(None, self.clock) as work:
            await work.devices.update(self.device)
            await work.accounts.update(self.account)
            await self.services.devices._keep(work, self.account, secret)

    async def close(self) -> None:
        """Close the services, and remove the keyring where this world made it."""
        await self.services.close()
        if self._keyring is not None:
            self._keyring.cleanup()


async def make_world(
    database_url: str,
    clock: Clock,
    *,
    keyring_directory: Path | None = None,
    networks: Iterable[str] = LOOPBACK,
    address: str = "127.0.0.1",
    port: int = 22,
    host_key: str | None = None,
    account: str = "maint",
    method: AccountMethod = AccountMethod.PASSWORD,
    secret: Secret | None = None,
    source_address: str | None = None,
    hospital: str = "CH de Test",
    further: bool = False,
    engagements: bool = False,
    pages_url: str | None = None,
    mails: bool = False,
    alarm_calls: Severity | None = None,
    session_limit: int = 5,
    forwards: Iterable[Forward] = (),
    kind: InterventionKind = InterventionKind.REMOTE_MAINTENANCE,
    outage_grace: timedelta = OUTAGE_GRACE,
) -> World:
    """Make the fixture hospital in the database at *database_url*, whose schema is brought up to date.

    Staff: dsi and denis (administrators and planners), rssi (security). Imagix: alice and bob, technicians, from
    *networks*. Device scan01, group ``imagerie``, at *address* and *port*, *host_key* pinned (None: some key),
    account of that *method* and *secret*. A window of two hours, open for half an hour, lets alice in by all
    channels, and to the ports *forwards*, for work of that *kind* and with that *outage_grace*. *further*: a second hospital in the same database. *engagements*: the
    texts are demanded of her. *pages_url*, *mails*, *alarm_calls*: as policy's settings. Everybody but bob has enrolled.
    """
    made_here = None
    if keyring_directory is None:
        made_here = tempfile.TemporaryDirectory(prefix="ecluse-keyring-")
        keyring_directory = Path(made_here.name) / "keyring"
    if not keyring_directory.exists():
        Keyring.generate(keyring_directory)
    settings = PolicySettings(
        database_url=database_url,
        keyring_directory=keyring_directory,
        session_limit=session_limit,
        engagements=engagements,
        pages_url=pages_url,
        mails=mails,
        alarm_calls=alarm_calls,
        outage_grace=outage_grace,
    )
    await policy_schema(database_url)
    services = await build(settings, clock, passwords=Passwords(CHEAP))
    try:
        begun = await services.hospitals.initialise(
            name=hospital,
            timezone="Europe/Paris",
            security_contact="RSSI, poste 4242",
            administrators=[
                ("dsi", "Dominique Roux", "dominique.roux@hopital.example"),
                ("denis", "Denis Blanc", "denis.blanc@hopital.example"),
            ],
            further=further,
        )
        dsi = begun.invitations[0].person
        supplier = await services.suppliers.create(
            dsi.id,
            begun.hospital.id,
            name="Imagix",
            sites=[Site(id=SiteId(new_id()), name="Lyon", country="FR", networks=tuple(networks))],
        )
        zone = await services.devices.create_zone(
            dsi.id, begun.hospital.id, name="imagerie", source_address=source_address
        )
        device = await services.devices.create(
            dsi.id,
            begun.hospital.id,
            name="scan01",
            description="Scanner",
            zone_id=zone.id,
            address=address,
            port=port,
            groups=["imagerie"],
        )
        device = await services.devices.pin_host_key(
            dsi.id, begun.hospital.id, device.id, host_key or host_key_line()
        )
        kept = secret or Secret(f"device-secret-{new_id()}")
        dedicated = await services.devices.add_account(
            dsi.id, begun.hospital.id, device.id, name=account, method=method, secret=kept
        )
        world = World(
            services=services,
            clock=clock,
            hospital=begun.hospital,
            supplier=supplier,
            people={invited.person.login: invited.person for invited in begun.invitations},
            passwords={},
            totp_secrets={},
            zone=zone,
            device=device,
            account=dedicated,
            account_secret=kept,
            _keyring=made_here,
        )
        for invited in begun.invitations:
            await world.enrol(invited)
        await _hire(world)
        world.window = await world.add_window(forwards=forwards, kind=kind)
    except BaseException:
        await services.close()
        raise
    return world


def host_key_line() -> str:
    """Return the public line of a fresh Ed25519 key, as an SSH server would show it."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


async def _hire(world: World) -> None:
    people, dsi = world.services.people, world.who("dsi")
    for login, name, email, role in (
        ("rssi", "Renée Vert", "renee.vert@hopital.example", Role.SECURITY),
        ("alice", "Alice Martin", "alice.martin@imagix.example", Role.TECHNICIAN),
        ("bob", "Bob Petit", "bob.petit@imagix.example", Role.TECHNICIAN),
    ):
        world.people[login] = await people.create(
            dsi,
            world.id,
            login=login,
            full_name=name,
            email=email,
            roles=frozenset({role}),
            supplier_id=world.supplier.id if role is Role.TECHNICIAN else None,
        )
        if login != "bob":
            await world.enrol(await people.invite(dsi, world.id, world.who(login)))
