"""A hospital that believes one authority about its supplier's tokens: what log-ins by certificate are tried on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from policy.domain.certificates import TrustAnchor
from policy.domain.ids import PersonId
from policy.domain.logins import LoginOutcome
from policy.domain.people import Person, Role
from policy.ports import Responder
from policy.services.anchors import AnchorService
from policy.services.login import LoginService
from policy.services.mails import MailQueue
from policy.services.people import PeopleService
from policy.services.token_certificates import TokenCertificateService
from tests.support.login_house import SITE, House, open_house
from tests.support.pki import Authority, Certified, PublicKey, rsa_key


@dataclass
class TokenHouse:
    """Alice of Imagix, whose token is certified by ``issuer`` under ``root``, which the hospital believes.

    ``lists``: fresh lists of both are at hand unless the test takes others.
    """

    house: House
    administrator: PersonId
    root: Authority
    issuer: Authority
    anchors: AnchorService
    certificates: TokenCertificateService
    people: PeopleService
    anchor: TrustAnchor = field(init=False)

    async def trust(self, **changes: object) -> TrustAnchor:
        """Believe the root; *changes* are as ``AnchorService.add`` takes them."""
        given: dict[str, object] = {"name": "IGC Imagix", "certificate": self.root.pem} | changes
        self.anchor = await self.anchors.add(self.administrator, self.house.hospital.id, **given)  # type: ignore[arg-type]  # the test's own words
        return self.anchor

    async def enrol(self, certified: Certified, login: str = "alice") -> None:
        """Bind the certificate to the person of that login."""
        person = await self.house.person(login)
        await self.certificates.enrol(self.administrator, self.house.hospital.id, person.id, certified.pem)

    async def take(self, *lists: bytes) -> None:
        """Take revocation lists for the anchor."""
        for one in lists:
            await self.anchors.take_list(self.administrator, self.house.hospital.id, self.anchor.id, one)

    async def fresh_lists(self) -> None:
        """Take empty lists of the root and of the issuer, made now."""
        now = self.house.clock.now()
        await self.take(self.root.revoke(now), self.issuer.revoke(now))

    def certify(self, key: PublicKey | None = None, **how: object) -> Certified:
        """Certify *key* (a fresh RSA one if none is given) now; *how* is as ``Authority.certify`` takes it."""
        public = rsa_key().public_key() if key is None else key
        return self.issuer.certify(public, self.house.clock.now(), **how)  # type: ignore[arg-type]  # same

    async def sign(self, blob: bytes, login: str = "alice") -> Person | None:
        """Log in with a verified signature of the key *blob*."""
        return await (await self.house.login.begin(login, SITE)).key_proved(blob)

    @property
    def last(self) -> LoginOutcome:
        """The journal's last entry."""
        return self.house.outcomes[-1]

    def respond(self, responder: Responder) -> None:
        """Let log-ins ask *responder* from now on."""
        house = self.house
        house.login = LoginService(
            house.database, house.keyring, house.passwords, house.clock, house.settings, responder=responder
        )
        house.login.journal_to(house.note)


@asynccontextmanager
async def token_house(directory: Path, *, advance: timedelta = timedelta(0)) -> AsyncIterator[TokenHouse]:
    """Open the house, *advance* later than its usual time, with nothing believed yet."""
    async with open_house(directory) as house:
        house.clock.advance(advance)
        administrator = await house.enrol("dsi", supplier=None)
        async with house.database.unit_of_work(None, house.clock) as work:
            await work.people.update(replace(administrator, roles=frozenset({Role.ADMINISTRATOR})))
        now = house.clock.now()
        root = Authority("IGC Imagix racine", now)
        yield TokenHouse(
            house=house,
            administrator=administrator.id,
            root=root,
            issuer=root.under("IGC Imagix personnes", now),
            anchors=AnchorService(house.database, house.clock),
            certificates=TokenCertificateService(
                house.database, house.clock, MailQueue(house.keyring, house.clock, house.settings)
            ),
            people=PeopleService(house.database, house.keyring, house.passwords, house.clock, house.settings),
        )
