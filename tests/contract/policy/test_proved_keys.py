"""What has become of the keys that grants were proved with, on both databases."""

import base64
from dataclasses import replace
from datetime import timedelta

import asyncssh
import pytest

from policy.authn import ssh_keys
from policy.authn.x509_revocation import Standing
from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, Held
from policy.domain.factors import Factor
from policy.domain.ids import PersonId
from policy.domain.proofs import Loss, ProvedLogin
from policy.services.token_watch import RevokedTokens
from tests.support.pki import Authority, Certified, curve_key
from tests.support.policy_world import World
from tests.support.statements import statements


async def plain_key(world: World, login: str = "alice") -> bytes:
    """Return a fresh plain key of that person's."""
    line = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    return (await world.services.people.add_key(world.who("dsi"), world.id, world.who(login), line)).blob


async def token(world: World, login: str = "alice", root: Authority | None = None) -> Certified:
    """Return a token's certificate of that person's, under *root* or an authority that is believed from now on."""
    now, dsi = world.clock.now(), world.who("dsi")
    if root is None:
        root = Authority("IGC", now)
        anchor = await world.services.anchors.add(dsi, world.id, name=f"IGC {login}", certificate=root.pem)
        await world.services.anchors.take_list(dsi, world.id, anchor.id, root.revoke(now))
    certified = root.certify(curve_key().public_key(), now)
    await world.services.token_certificates.enrol(dsi, world.id, world.who(login), certified.pem)
    return certified


async def granted(world: World, key: bytes, *factors: Factor) -> Grant:
    """Return alice's grant, proved with *key*."""
    request = replace(world.request(), proved_key=key, factors=frozenset(factors))
    answer = await world.services.access.decide(request)
    assert isinstance(answer, Grant), answer
    return answer


def why(answer: Held | Denial) -> list[tuple[str, object]]:
    """Return what failed, and by whom."""
    assert isinstance(answer, Denial)
    return [(finding.key, finding.arguments["by"]) for finding in answer.failed]


async def test_a_grant_falls_with_its_key_and_a_new_one_is_refused(world: World) -> None:
    """Taken away by an administrator: the recheck names her, and so does the decision of a waiting connection."""
    access, key = world.services.access, await plain_key(world)
    grant = await granted(world, key, Factor.PUBLIC_KEY, Factor.TOTP)
    assert isinstance((await access.recheck([grant]))[grant.session_id], Held)
    await world.services.people.remove_key(
        world.who("denis"), world.id, world.who("alice"), ssh_keys.fingerprint(key)
    )
    gone = [("finding.S35.key_removed", "denis")]
    assert why((await access.recheck([grant]))[grant.session_id]) == gone
    request = replace(world.request(), proved_key=key, factors=grant.factors)
    again = await access.decide(request)
    assert isinstance(again, Denial)
    assert why(again) == gone


async def test_a_key_that_went_to_somebody_else_is_lost(world: World) -> None:
    """The key of a grant must be its person's: on bob's list it says nothing of alice."""
    key = await plain_key(world, "bob")
    login = ProvedLogin(hospital_id=world.id, person_id=world.who("alice"), source="127.0.0.1", key=key)
    unknown = replace(login, person_id=PersonId("0" * 32))
    lost = await world.services.access.lost([login, unknown])
    assert {standing.loss for standing in lost.values()} == {Loss.REMOVED}
    assert set(lost) == {login, unknown}


async def test_the_end_of_a_certificate_is_when_the_grant_is_asked_again(
    world: World, clock: ManualClock
) -> None:
    """A token that runs out within the window: asked at that very instant, and over then."""
    now, dsi = clock.now(), world.who("dsi")
    root = Authority("IGC", now)
    await world.services.anchors.add(dsi, world.id, name="IGC", certificate=root.pem)
    short = root.certify(curve_key().public_key(), now, days=1, begins=timedelta(days=-1, minutes=5))
    await world.services.token_certificates.enrol(dsi, world.id, world.who("alice"), short.pem)
    grant = await granted(world, short.blob, Factor.TOKEN_CERTIFICATE)
    assert grant.ask_again_at == short.certificate.not_valid_after_utc
    clock.advance(grant.ask_again_at - now)
    answers = await world.services.access.recheck([grant])
    assert why(answers[grant.session_id]) == [("finding.S35.key_expired", "?")]


async def test_a_responders_word_is_kept_and_told_once(world: World) -> None:
    """Revoked for its responder: one event however often it is said, and the grant falls by that address."""
    certified = await token(world)
    grant = await granted(world, certified.blob, Factor.TOKEN_CERTIFICATE)
    alice = world.who("alice")
    [kept] = await world.services.token_certificates.list(world.who("dsi"), world.id, alice)
    cursor, _ = await world.services.access.changes_since(None)
    for _ in range(2):
        await RevokedTokens(world.services.database, world.clock).note(
            kept, Standing.REVOKED, "http://ocsp.example/"
        )
    _, events = await world.services.access.changes_since(cursor)
    assert [(one.name, one.subject) for one in events] == [("person.token_revoked", alice)]
    answers = await world.services.access.recheck([grant])
    assert why(answers[grant.session_id]) == [("finding.S35.key_revoked", "http://ocsp.example/")]


async def test_a_token_key_made_plain_ends_what_counted_on_the_token(world: World) -> None:
    """Removed and added again without its certificate, the key is the same and proves less."""
    certified = await token(world)
    grant = await granted(world, certified.blob, Factor.TOKEN_CERTIFICATE)
    people, alice = world.services.people, world.who("alice")
    fingerprint = ssh_keys.fingerprint(certified.blob)
    await people.remove_key(alice, world.id, alice, fingerprint)
    line = f"ecdsa-sha2-nistp256 {base64.b64encode(certified.blob).decode()}"
    await people.add_key(alice, world.id, alice, line)
    answers = await world.services.access.recheck([grant])
    assert why(answers[grant.session_id]) == [("finding.S35.key_removed", "alice")]


async def test_any_number_of_proved_keys_costs_a_few_queries(world: World) -> None:
    """Judged once, the keys and tokens of any number of sessions are looked at in five queries more."""
    first = await token(world)
    logins = [
        ProvedLogin(
            hospital_id=world.id, person_id=world.who(login), source="127.0.0.1", key=key, token=is_token
        )
        for login, key, is_token in [
            ("alice", first.blob, True),
            *[("alice", await plain_key(world), False) for _ in range(4)],
            *[("bob", await plain_key(world, "bob"), False) for _ in range(4)],
        ]
    ]
    assert await world.services.access.lost(logins) == {}
    with statements(world.services.database) as sent:
        assert await world.services.access.lost(logins) == {}
    assert len(sent) <= 5


@pytest.mark.parametrize("what", ["key", "token"])
async def test_another_hospitals_keys_say_nothing_here(world: World, what: str) -> None:
    """Asked about under another hospital's id, a key of this one is nobody's."""
    key = await plain_key(world) if what == "key" else (await token(world)).blob
    elsewhere = ProvedLogin(
        hospital_id=type(world.id)("f" * 32), person_id=world.who("alice"), source="127.0.0.1", key=key
    )
    [standing] = (await world.services.access.lost([elsewhere])).values()
    assert standing.loss is Loss.REMOVED
