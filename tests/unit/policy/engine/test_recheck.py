from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from policy.domain.access import Denial, Facts, Held, Revocation, RevocationScope
from policy.domain.ids import AccountId, DeviceId, HospitalId, PersonId, SessionId
from policy.domain.interventions import InterventionState
from policy.domain.proofs import KeyStanding, Loss
from policy.domain.windows import Channel, IdleRule, Window, WindowState
from policy.engine.recheck import recheck
from tests.support.facts import (
    ACCOUNT,
    ALICE,
    CLOSES,
    DEVICE,
    DURING,
    FACTS,
    HOSPITAL,
    INTERVENTION,
    OPENS,
    SECOND_ACCOUNT,
    SUPPLIER,
    WINDOW,
    ZONE,
    make_grant,
    named,
    with_windows,
)

GRANT = make_grant()
LATE = DURING + timedelta(minutes=20)


def held(facts: Facts = FACTS, at: datetime = LATE) -> Held:
    """Return how the live grant holds; fails the test where it does not."""
    answer = recheck(GRANT, facts, at)
    assert isinstance(answer, Held), [finding.key for finding in answer.failed]
    return answer


def ended(facts: Facts = FACTS, at: datetime = LATE) -> list[str]:
    """Return why the live grant is over, as message keys; fails the test where it holds."""
    answer = recheck(GRANT, facts, at)
    assert isinstance(answer, Denial)
    assert answer.disclose
    return [finding.key for finding in answer.failed]


def cut(
    scope: RevocationScope, target: str, at: datetime = LATE, hospital: HospitalId = HOSPITAL.id
) -> Facts:
    """Return the facts with a cut by the security staff."""
    revocation = Revocation(
        hospital_id=hospital, scope=scope, target=target, at=at, reason="incident 12", by=PersonId("rssi")
    )
    return replace(FACTS, revocations=(revocation,))


def test_live_grant_holds_under_unchanged_facts() -> None:
    """Nothing changed: the same obligations, and nothing to ask before the window ends."""
    answer = held()
    assert answer.obligations == GRANT.obligations
    assert answer.ask_again_at == CLOSES


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        (RevocationScope.SESSION, GRANT.session_id),
        (RevocationScope.PERSON, ALICE.id),
        (RevocationScope.SUPPLIER, SUPPLIER.id),
        (RevocationScope.DEVICE, DEVICE.id),
        (RevocationScope.ALL, ""),
    ],
    ids=["session", "person", "supplier", "device", "all"],
)
def test_cut_of_each_scope_ends_the_session(scope: RevocationScope, target: str) -> None:
    """A session, a person, a supplier, a device, everything: each cut reaches, and says why."""
    answer = recheck(GRANT, cut(scope, target), LATE)
    assert isinstance(answer, Denial)
    assert [finding.key for finding in answer.failed] == ["finding.X35.cut"]
    assert answer.failed[0].arguments == {"at": LATE, "reason": "incident 12"}


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        (RevocationScope.SESSION, SessionId("another")),
        (RevocationScope.PERSON, "bob"),
        (RevocationScope.SUPPLIER, "other"),
        (RevocationScope.DEVICE, "ris02"),
        (RevocationScope.SESSION, ""),
        (RevocationScope.PERSON, SUPPLIER.id),
    ],
)
def test_cut_of_others_leaves_the_session(scope: RevocationScope, target: str) -> None:
    """A cut of somebody or something else is none of this session's."""
    held(cut(scope, target))


def test_cut_of_another_hospital_leaves_the_session() -> None:
    """Invariant 11: another hospital's emergency cut reaches nothing here."""
    held(cut(RevocationScope.ALL, "", hospital=HospitalId("h2")))


def test_cut_counts_from_the_very_instant_of_the_grant() -> None:
    """A cut at the instant of the grant reaches it; one just before does not."""
    assert ended(cut(RevocationScope.ALL, "", DURING)) == ["finding.X35.cut"]
    held(cut(RevocationScope.ALL, "", DURING - timedelta(microseconds=1)))


def test_window_end_ends_the_session() -> None:
    """The session holds until the last instant before the window's end, and not at it."""
    held(at=CLOSES - timedelta(microseconds=1))
    assert ended(at=CLOSES) == ["finding.O3.ended"]


@pytest.mark.parametrize("end", [CLOSES + timedelta(hours=1), CLOSES - timedelta(minutes=30)])
def test_hard_end_follows_the_window(end: datetime) -> None:
    """Extended or shortened while open, the window's present end is the session's."""
    answer = held(with_windows(named(WINDOW, "w1", (OPENS, end))))
    assert answer.obligations.hard_end == answer.ask_again_at == end


def test_shortened_below_now_ends_at_once() -> None:
    """A window shortened to before now ends the session."""
    assert ended(with_windows(named(WINDOW, "w1", (OPENS, LATE)))) == ["finding.O3.ended"]


def test_moved_window_ends_the_session() -> None:
    """A window moved to tomorrow ends today's session, and says when it opens."""
    tomorrow = (OPENS + timedelta(days=1), CLOSES + timedelta(days=1))
    answer = recheck(GRANT, with_windows(named(WINDOW, "w1", tomorrow)), LATE)
    assert isinstance(answer, Denial)
    assert [finding.key for finding in answer.failed] == ["finding.O3.ended"]
    assert answer.next_opening == tomorrow


@pytest.mark.parametrize(
    ("window", "key"),
    [
        (replace(WINDOW, state=WindowState.CANCELLED), "finding.O3.cancelled"),
        (replace(WINDOW, state=WindowState.PLANNED), "finding.O3.unapproved"),
        (replace(WINDOW, people=frozenset()), "finding.O3.none"),
        (replace(WINDOW, devices=frozenset()), "finding.O3.none"),
        (replace(WINDOW, account="param"), "finding.O3.other_account"),
        (replace(WINDOW, channels=frozenset({Channel.EXEC})), "finding.O3.no_channel"),
        (replace(WINDOW, idle=IdleRule(limit=timedelta(0))), "finding.T10.none"),
    ],
)
def test_changed_window_ends_the_session(window: Window, key: str) -> None:
    """A window cancelled, or that no longer names the person, device or account, ends the session."""
    assert ended(with_windows(window)) == [key]


def test_deleted_window_ends_the_session() -> None:
    """A window that is no longer there ends the session."""
    assert ended(with_windows()) == ["finding.O3.none"]


def test_other_windows_do_not_carry_the_session() -> None:
    """A session goes on under its own window only, though another is open right after or all along."""
    after = named(WINDOW, "w2", (CLOSES, CLOSES + timedelta(hours=2)))
    along = named(WINDOW, "w3", (OPENS, CLOSES + timedelta(hours=2)))
    world = with_windows(WINDOW, after, along)
    assert held(world).obligations.hard_end == CLOSES
    assert ended(world, CLOSES) == ["finding.O3.ended"]
    assert ended(with_windows(replace(WINDOW, state=WindowState.CANCELLED), along)) == ["finding.O3.ended"]


def test_touching_occurrences_carry_the_session() -> None:
    """Round-the-clock monitoring is not cut at midnight: occurrences that touch are one opening."""
    window = named(WINDOW, "w1", (OPENS, CLOSES), (CLOSES, CLOSES + timedelta(hours=2)))
    assert held(with_windows(window)).obligations.hard_end == CLOSES + timedelta(hours=2)
    held(with_windows(window), CLOSES)


def test_channels_are_reduced_and_never_gained() -> None:
    """A channel taken out of the window is lost to the session; one added is for new sessions."""
    window = replace(WINDOW, channels=frozenset({Channel.SHELL, Channel.EXEC}))
    assert held(with_windows(window)).obligations.channels == {Channel.SHELL}


def test_idle_limit_follows_the_window() -> None:
    """T10: the delay agreed anew applies to the live session."""
    idle = IdleRule(limit=timedelta(minutes=3), output_counts=True, ceiling=timedelta(minutes=30))
    duties = held(with_windows(replace(WINDOW, idle=idle))).obligations
    assert (duties.idle_limit, duties.output_counts, duties.output_ceiling) == (
        timedelta(minutes=3),
        True,
        timedelta(minutes=30),
    )


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (replace(FACTS, supplier=replace(SUPPLIER, active=False)), "finding.E4.suspended"),
        (replace(FACTS, supplier=replace(SUPPLIER, sites=())), "finding.C2.undeclared"),
        (replace(FACTS, person=replace(ALICE, active=False)), "finding.E3.suspended"),
        (replace(FACTS, person=replace(ALICE, roles=frozenset())), "finding.E3.role"),
        (replace(FACTS, device=replace(DEVICE, active=False)), "finding.T1.isolated"),
        (replace(FACTS, device=replace(DEVICE, port=22)), "finding.T1.moved"),
        (replace(FACTS, device=replace(DEVICE, address="127.0.0.9")), "finding.T1.moved"),
        (replace(FACTS, zone=replace(ZONE, source_address="127.0.0.3")), "finding.T2.moved"),
        (replace(FACTS, device=replace(DEVICE, host_keys=())), "finding.T5.unpinned"),
        (replace(FACTS, device=replace(DEVICE, host_keys=("ssh-ed25519 BBBB",))), "finding.T5.withdrawn"),
        (replace(FACTS, accounts=(replace(ACCOUNT, active=False),)), "finding.T9.suspended"),
        (replace(FACTS, accounts=(replace(ACCOUNT, vaulted=False),)), "finding.T9.unvaulted"),
        (replace(FACTS, accounts=(replace(ACCOUNT, id=AccountId("a9")),)), "finding.T9.unknown"),
        (
            replace(
                FACTS, interventions={INTERVENTION.id: replace(INTERVENTION, state=InterventionState.CLOSED)}
            ),
            "finding.E9.closed",
        ),
    ],
)
def test_changed_fact_ends_the_session(facts: Facts, key: str) -> None:
    """Whatever would refuse the session now ends it now, with its own reason."""
    assert ended(facts) == [key]


def test_deleted_device_ends_the_session() -> None:
    """A device that is no longer registered ends the session."""
    world = replace(FACTS, device=None, zone=None, accounts=(), windows=())
    assert ended(world) == ["finding.T1.unknown", "finding.O3.none"]


def test_one_more_pinned_key_changes_nothing() -> None:
    """Pinning another key of the device does not end the sessions that trusted the first."""
    held(replace(FACTS, device=replace(DEVICE, host_keys=(*DEVICE.host_keys, "ssh-ed25519 BBBB"))))


def test_renamed_account_and_device_change_nothing() -> None:
    """The session hangs on ids: another name for the device, or another account beside its own, ends nothing."""
    world = replace(FACTS, device=replace(DEVICE, name="scan-01"), accounts=(ACCOUNT, SECOND_ACCOUNT))
    held(world)


def test_live_session_is_not_counted_against_itself() -> None:
    """The limit is for new sessions: the last one allowed is not ended by its own count."""
    held(replace(FACTS, live_sessions=4))
    held(replace(FACTS, live_sessions=9))


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, person=replace(ALICE, id=PersonId("bob"))),
        replace(FACTS, device=replace(DEVICE, id=DeviceId("d2"))),
        replace(FACTS, hospital=replace(HOSPITAL, id=HospitalId("h2"))),
    ],
    ids=["person", "device", "hospital"],
)
def test_facts_of_another_session_are_an_error(facts: Facts) -> None:
    """Facts about somebody or something else are a defect of the caller: nothing is decided on them."""
    with pytest.raises(ValueError, match="facts"):
        recheck(GRANT, facts, LATE)


@pytest.mark.parametrize("loss", Loss)
def test_a_live_grant_falls_with_the_key_it_was_proved_with(loss: Loss) -> None:
    """Whatever became of the key is a finding of its own, and says by whom."""
    standing = KeyStanding(fingerprint="SHA256:x", loss=loss, by="dsi")
    answer = recheck(GRANT, replace(FACTS, standing=standing), LATE)
    assert isinstance(answer, Denial)
    [finding] = answer.failed
    assert (finding.code, finding.key) == ("S35", f"finding.S35.key_{loss.value}")
    assert finding.arguments == {"fingerprint": "SHA256:x", "by": "dsi"}


def test_a_live_grant_is_asked_again_when_its_certificate_ends() -> None:
    """That instant may come before the window's end, and never moves it."""
    soon = LATE + timedelta(minutes=1)
    answer = held(replace(FACTS, standing=KeyStanding(fingerprint="SHA256:x", until=soon)))
    assert (answer.ask_again_at, answer.obligations.hard_end) == (soon, held().obligations.hard_end)
    far = held(replace(FACTS, standing=KeyStanding(fingerprint="SHA256:x", until=CLOSES + timedelta(days=1))))
    assert far.ask_again_at == held().ask_again_at
