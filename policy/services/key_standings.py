"""What has become of the keys that live log-ins were proved with, from what policy knows: nobody is asked here.

A key is lost by a fact: it was taken away, its certificate is over, revoked, or of nobody who is believed any more.
That a list grew stale is none (ADR 24). Judged once for each state of the facts, whatever the sizes of the lists.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from policy.authn import held_keys, ssh_certificates, ssh_keys
from policy.authn.held_keys import KeyRefused
from policy.domain.certificates import LoginAuthority, RevocationList, TokenCertificate, TrustAnchor
from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.ids import HospitalId, PersonId
from policy.domain.logins import LoginReason
from policy.domain.people import Person
from policy.domain.proofs import KeyStanding, Loss, ProvedLogin
from policy.services.token_check import TokenCheck, TokenFacts
from policy.store.unit_of_work import View

_KEPT: Final = 1024
_LOSSES: Final[Mapping[LoginReason, Loss]] = {
    LoginReason.CERTIFICATE_EXPIRED: Loss.EXPIRED,
    LoginReason.CERTIFICATE_REVOKED: Loss.REVOKED,
    LoginReason.CERTIFICATE_UNFIT: Loss.UNFIT,
}
"""Every other reason means that nobody believed certifies the key."""
_CAUSES: Final[Mapping[Loss, tuple[str, ...]]] = {
    Loss.REMOVED: ("person.key_removed",),
    Loss.REVOKED: ("anchor.list_taken", "login_authority.krl_taken"),
    Loss.UNTRUSTED: ("anchor.removed", "login_authority.removed"),
}
"""The last event of these names is taken for the cause of a loss: it is what the question was asked for."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A judgement, and when it was made: a clock that went back makes it anew."""

    standing: KeyStanding
    at: datetime

    def serves(self, at: datetime) -> bool:
        until = self.standing.until
        return self.at <= at and (until is None or at < until)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the standings of any number of log-ins rest on, read in a few queries."""

    people: Mapping[PersonId, Person]
    keys: Sequence[EnrolledKey]
    certificates: Sequence[TokenCertificate]
    anchors: Sequence[TrustAnchor]
    marks: Sequence[tuple[str, str, datetime]]
    authorities: Sequence[LoginAuthority]
    holders: Mapping[str, PersonId]
    lists: dict[str, Sequence[RevocationList]] = field(default_factory=dict)

    async def lists_of(self, view: View, anchor: TrustAnchor) -> Sequence[RevocationList]:
        """Return the lists taken for *anchor*, read once for all log-ins: they may take megabytes."""
        if anchor.id not in self.lists:
            self.lists[anchor.id] = await view.certificates.lists(anchor.hospital_id, anchor.id)
        return self.lists[anchor.id]

    def token_facts(self, person: Person) -> TokenFacts:
        """Return what her tokens are judged on, but for the lists."""
        return TokenFacts(
            certificates=tuple(one for one in self.certificates if one.person_id == person.id),
            anchors=tuple(one for one in self.anchors if one.serves(person.supplier_id)),
        )


async def _read(view: View, hospital_id: HospitalId, logins: Collection[ProvedLogin]) -> _Known:
    people = {login.person_id for login in logins}
    certified = [login.key for login in logins if ssh_certificates.is_certificate(login.key)]
    keys = await view.credentials.ssh_keys_of(hospital_id, people)
    tokens = any(key.kind is KeyKind.TOKEN for key in keys)
    held = [ssh_keys.fingerprint(ssh_certificates.plain_key(blob)) for blob in certified]
    certificates = view.certificates
    return _Known(
        people={one.id: one for one in await view.people.of(hospital_id, people)},
        keys=keys,
        certificates=await certificates.of_people(hospital_id, people) if tokens else (),
        anchors=await certificates.anchors(hospital_id) if tokens else (),
        marks=await certificates.list_marks(hospital_id) if tokens else (),
        authorities=await certificates.authorities(hospital_id) if certified else (),
        holders=await view.credentials.holders(hospital_id, held) if certified else {},
    )


class KeyStandings:
    """Judges proved keys, and remembers what it judged."""

    def __init__(self) -> None:
        """Begin with nothing judged."""
        self._tokens = TokenCheck(None)
        self._judged: OrderedDict[Hashable, _Judged] = OrderedDict()

    async def of(
        self, view: View, hospital_id: HospitalId, logins: Collection[ProvedLogin], at: datetime
    ) -> Mapping[ProvedLogin, KeyStanding]:
        """Return the standing at the aware instant *at* of each of *logins*, all of one hospital.

        However many they are, it takes seven queries at most, but for lists that have changed and keys that are lost.
        """
        if not logins:
            return {}
        known = await _read(view, hospital_id, logins)
        found: dict[ProvedLogin, KeyStanding] = {}
        for login in logins:
            standing = await self._one(view, login, known, at)
            found[login] = standing if standing.loss is None else await _told(view, login, standing)
        return found

    async def _one(self, view: View, login: ProvedLogin, known: _Known, at: datetime) -> KeyStanding:
        fingerprint = ssh_keys.fingerprint(login.key)
        person = known.people.get(login.person_id)
        if person is None:
            return KeyStanding(fingerprint=fingerprint, loss=Loss.REMOVED)
        if ssh_certificates.is_certificate(login.key):
            return await self._certified(login, person, known, at)
        key = held_keys.enrolled_as(login.key, (one for one in known.keys if one.person_id == person.id))
        if key is None or (login.token and key.kind is not KeyKind.TOKEN):
            return KeyStanding(fingerprint=fingerprint, loss=Loss.REMOVED)
        if key.kind is not KeyKind.TOKEN:
            return KeyStanding(fingerprint=fingerprint)
        return await self._token(view, key, person, known, at)

    async def _token(
        self, view: View, key: EnrolledKey, person: Person, known: _Known, at: datetime
    ) -> KeyStanding:
        facts = known.token_facts(person)
        state = (key.fingerprint, key.person_id, facts.certificates, facts.anchors, tuple(known.marks))
        judged = self._known(state, at)
        if judged is not None:
            return judged
        lists = {anchor.id: await known.lists_of(view, anchor) for anchor in facts.anchors}
        whole = replace(facts, lists=lists)
        try:
            until = await self._tokens.held_until(whole, key, at)
        except KeyRefused as refused:
            by = _responder(whole, key) if refused.reason is LoginReason.CERTIFICATE_REVOKED else ""
            loss = _LOSSES.get(refused.reason, Loss.UNTRUSTED)
            return self._keep(state, KeyStanding(fingerprint=key.fingerprint, loss=loss, by=by), at)
        return self._keep(state, KeyStanding(fingerprint=key.fingerprint, until=until), at)

    async def _certified(
        self, login: ProvedLogin, person: Person, known: _Known, at: datetime
    ) -> KeyStanding:
        authorities = [one for one in known.authorities if one.serves(person.supplier_id)]
        state = (login, person.login, tuple((one.id, one.krl_at) for one in authorities))
        judged = self._known(state, at)
        if judged is None:
            judged = self._keep(state, await asyncio.to_thread(_judge, login, person, authorities, at), at)
        plain = ssh_keys.fingerprint(ssh_certificates.plain_key(login.key))
        if judged.loss is None and known.holders.get(plain, person.id) != person.id:
            return replace(judged, loss=Loss.UNFIT)
        return judged

    def _known(self, state: Hashable, at: datetime) -> KeyStanding | None:
        judged = self._judged.get(state)
        if judged is None or not judged.serves(at):
            return None
        self._judged.move_to_end(state)
        return judged.standing

    def _keep(self, state: Hashable, standing: KeyStanding, at: datetime) -> KeyStanding:
        self._judged[state] = _Judged(standing, at)
        while len(self._judged) > _KEPT:
            self._judged.popitem(last=False)
        return standing


def _judge(
    login: ProvedLogin, person: Person, authorities: Sequence[LoginAuthority], at: datetime
) -> KeyStanding:
    fingerprint = ssh_keys.fingerprint(login.key)
    try:
        found = ssh_certificates.certified(
            login.key, authorities, login=person.login, source=login.source, at=at
        )
    except KeyRefused as refused:
        loss = _LOSSES.get(refused.reason, Loss.UNTRUSTED)
        return KeyStanding(fingerprint=fingerprint, loss=loss)
    return KeyStanding(fingerprint=fingerprint, until=found.until)


def _responder(facts: TokenFacts, key: EnrolledKey) -> str:
    """Return the responder that called a certificate of *key* revoked, '' where none did."""
    for certificate in facts.certificates:
        if certificate.key_fingerprint == key.fingerprint and certificate.revoked_by is not None:
            return certificate.revoked_by
    return ""


async def _told(view: View, login: ProvedLogin, standing: KeyStanding) -> KeyStanding:
    """Return *standing* with who brought the loss about: a person's login, or where a list came from."""
    if standing.loss is None or standing.loss not in _CAUSES or standing.by:
        return standing
    subject = login.person_id if standing.loss is Loss.REMOVED else None
    event = await view.outbox.latest(login.hospital_id, _CAUSES[standing.loss], subject)
    if event is None:
        return standing
    if event.actor is None:
        return replace(standing, by=str(event.after.get("source", "")))
    who = await view.people.find(login.hospital_id, event.actor)
    return standing if who is None else replace(standing, by=who.login)
