"""One row of everything that a hospital has, there to be stolen by its neighbour."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from policy.domain.access import RevocationScope
from policy.domain.alarms import AlarmState, Bookmark
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.certificates import (
    LoginAuthority,
    RevocationList,
    TokenCertificate,
    TrustAnchor,
    WhenStale,
)
from policy.domain.console_sessions import ConsoleSession, Reading
from policy.domain.continuations import Continuation
from policy.domain.derogations import Derogation
from policy.domain.engagements import EngagementKind
from policy.domain.ids import DerogationId, new_id
from policy.domain.mails import Mail, MailKind
from policy.domain.people import Person
from policy.domain.reports import Goal
from policy.domain.tasks import TaskKind
from policy.domain.visits import Visit, VisitPurpose
from policy.services.bearers import digest
from policy.services.engagements import accept_in, demand_in
from policy.store.unit_of_work import UnitOfWork
from tests.support.alarm_rows import furnish_alarms
from tests.support.keeping_rows import furnish_keeping
from tests.support.policy_world import HALF_AN_HOUR, World, host_key_line


async def furnish(world: World) -> Mapping[str, Any]:
    """Put one row into every table of this hospital, and return its keys by the names repositories give them."""
    services, dsi, here, alice = world.services, world.who("dsi"), world.id, world.who("alice")
    token = await services.tokens.issue(world.people["dsi"], world.people["dsi"].roles, HALF_AN_HOUR, "essai")
    key = await services.people.add_key(dsi, here, alice, host_key_line())
    task = await services.device_tasks.request(dsi, here, TaskKind.FETCH_HOST_KEYS, world.device.id)
    grant = await world.grant()
    await services.access.session_opened(grant, "gw1")
    await services.access.node_started(here, f"gateway-of-{here}")
    report = await services.reports.file(alice, here, goal=Goal.REACHED, what="essai", device_name="scan01")
    end = world.window.occurrences[0].end + HALF_AN_HOUR
    extension = await services.windows.request_extension(dsi, here, world.window.id, end=end)
    await services.revocations.cut(dsi, here, RevocationScope.DEVICE, world.device.id, "essai")
    await world.add_window(people=["bob"], devices=[], groups=["imagerie"])
    invited = await services.people.invite(dsi, here, world.who("bob"))
    now = world.clock.now()
    authority = await services.authorities.make(dsi, here)
    derogation = Derogation(
        id=DerogationId(new_id()),
        hospital_id=here,
        device_id=world.device.id,
        weakness="kex=diffie-hellman-group1-sha1",
        reason="essai",
        decided_by=dsi,
        decided_at=now,
        expires_at=now + HALF_AN_HOUR,
    )
    async with services.database.unit_of_work(None, world.clock) as work:
        await work.derogations.insert(derogation)
        await furnish_enrolment(work, world.people["alice"], digest(invited.token), now)
        anchor_id = await furnish_certificates(work, world, authority.id)
        await work.continuations.insert(
            Continuation(
                id=new_id(),
                hospital_id=here,
                person_id=alice,
                device="scan01",
                source="192.0.2.1",
                first="password",
                step=1,
                attempt_id=new_id(),
                opened_at=now,
                until=now + HALF_AN_HOUR,
                most=3,
                uses=0,
                position=0,
            )
        )
        await furnish_alarms(work, here, now)
        await furnish_keeping(work, here, dsi, now)
        await work.attempts.insert(
            Attempt(
                id=new_id(),
                hospital_id=here,
                login="alice",
                source="192.0.2.1",
                origin="192.0.2.1",
                at=now,
                outcome=AttemptOutcome.PENDING,
                kind=AttemptKind.PASSWORD_AND_CODE,
            )
        )
    tokens = await services.tokens.list(dsi, here)
    return {
        "person_id": alice,
        "supplier_id": world.supplier.id,
        "device_id": world.device.id,
        "account_id": world.account.id,
        "zone_id": world.zone.id,
        "intervention_id": world.window.intervention_id,
        "window_id": world.window.id,
        "occurrence_id": world.window.occurrences[0].id,
        "session_id": grant.session_id,
        "extension_id": extension.id,
        "report_id": report.id,
        "windows": [world.window.id],
        "reached": world.device,
        "task_id": task.id,
        "authority_id": authority.id,
        "anchor_id": anchor_id,
        "key_fingerprint": "SHA256:token",
        "derogation_id": derogation.id,
        "rule_id": f"{here[:31]}r",
        "hold_id": f"{here[:31]}h",
        "erasure_id": f"{here[:31]}e",
        "exercise_id": f"{here[:31]}x",
        "node": "gw1",
        "sessions": 0,
        "device": "scan01",
        "source": "192.0.2.1",
        "first": "password",
        "token_id": tokens[0].id,
        "fingerprint": key.fingerprint,
        "token_hash": digest(invited.token),
        "secret_hash": digest(token),
        "login": "alice",
        "name": "scan01",
        "email": "alice.martin@imagix.example",
        "origin": "192.0.2.1",
        "console_session_id": alice,
        "trace_id": alice,
        "code_hash": "c" * 64,
        "hashes": ["d" * 64],
        "renewed_hash": "e" * 64,
        "mail_id": f"{alice[:31]}m",
        "alarm_id": f"{here[:31]}a",
        "kind": "host_key_changed",
        "key": "scan01",
        "states": list(AlarmState),
        "state": AlarmState.OPEN,
        "amount": 1,
        "before": now + timedelta(days=1),
        "silent_since": now + timedelta(days=1),
        "reader": "alarms",
        "holder": "stolen",
        "places": {"gw1": Bookmark(9, "9" * 64)},
        "fault": "essai",
        "reason": "essai",
        "groups": ["imagerie"],
        "devices": [world.device.id],
        "people": [alice],
        "names": ["scan01"],
        "events": ["person.created"],
        "fingerprints": [key.fingerprint],
        "occurrences": [],
        "scope": RevocationScope.DEVICE,
        "target": world.device.id,
        "sealed": "ecv1:stolen",
        "at": now,
        "since": now - timedelta(days=1),
        "until": now + timedelta(days=1),
        "start": now - timedelta(days=1),
        "end": now + timedelta(days=1),
        "after": now - timedelta(days=1),
        "asked_since": now - timedelta(days=1),
        "beat_since": now - timedelta(days=1),
        "ended_since": now - timedelta(days=1),
        "revoked_since": now - timedelta(days=1),
        "lease": timedelta(seconds=15),
        "session_limit": 5,
        "limit": 100,
        "hold": False,
    }


async def furnish_certificates(work: UnitOfWork, world: World, authority_id: str) -> str:
    """Put one row into every table of certificates; return the id of the trust anchor."""
    here, at, certificates = world.id, world.clock.now(), work.certificates
    anchor = TrustAnchor(
        id=new_id(),
        hospital_id=here,
        name="essai",
        certificate=b"der",
        fingerprint=new_id(),
        supplier_id=world.supplier.id,
        crl_urls=(),
        ocsp_url=None,
        when_stale=next(iter(WhenStale)),
        added_at=at,
    )
    await certificates.insert_anchor(anchor)
    await certificates.put_list(
        RevocationList(
            hospital_id=here,
            anchor_id=anchor.id,
            issuer="essai",
            der=b"der",
            this_update=at,
            next_update=at,
            source="essai",
            taken_at=at,
        )
    )
    await certificates.insert(
        TokenCertificate(
            id=new_id(),
            hospital_id=here,
            person_id=world.who("alice"),
            key_fingerprint="SHA256:token",
            fingerprint=new_id(),
            pem="pem",
            subject="essai",
            not_before=at,
            not_after=at,
            added_at=at,
        )
    )
    await certificates.insert_authority(
        LoginAuthority(
            id=authority_id,
            hospital_id=here,
            name="essai",
            public_key="ssh-ed25519 AAAA",
            fingerprint=new_id(),
            supplier_id=None,
            krl=None,
            krl_at=None,
            added_at=at,
        )
    )
    return anchor.id


async def furnish_enrolment(work: UnitOfWork, person: Person, token_hash: str, at: datetime) -> None:
    """Put one row into each table of enrolment, in the caller's transaction."""
    here = person.hospital_id
    await demand_in(work, person, at)
    await accept_in(work, person, dict.fromkeys(EngagementKind, 1), "192.0.2.1", at)
    await work.recovery_codes.replace_all(here, person.id, ["c" * 64], at)
    end = at + HALF_AN_HOUR
    visit = Visit(
        hospital_id=here,
        person_id=person.id,
        purpose=VisitPurpose.ACCOUNT,
        source="192.0.2.1",
        started_at=at,
        expires_at=end,
    )
    await work.visits.insert(visit, token_hash)
    session = ConsoleSession(
        id=person.id,
        hospital_id=here,
        person_id=person.id,
        source="192.0.2.1",
        started_at=at,
        expires_at=end,
        seen_at=at,
        proved_at=at,
    )
    await work.console_sessions.insert(session, token_hash)
    reading = Reading(
        hospital_id=here, console_session_id=session.id, trace_id=person.id, reason="essai", at=at
    )
    await work.console_sessions.read(reading)
    mail = Mail(
        id=f"{person.id[:31]}m",
        hospital_id=here,
        person_id=person.id,
        kind=MailKind.ENROLLED,
        queued_at=at,
        expires_at=end,
        next_try_at=at,
    )
    await work.mails.insert(mail)
