from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from policy.domain.access import Facts, Grant, Revocation, RevocationScope
from policy.domain.devices import AccountMethod
from policy.domain.ids import AccountId, DeviceId, HospitalId, PersonId, SupplierId, ZoneId
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.domain.people import Factor, Role
from policy.domain.windows import Channel, IdleRule, WindowState
from policy.engine.decide import decide
from tests.support.facts import (
    ACCOUNT,
    ALICE,
    CLOSES,
    DEVICE,
    DURING,
    FACTS,
    HOSPITAL,
    INTERVENTION,
    LATER,
    OPENS,
    REQUEST,
    SECOND,
    SUPPLIER,
    WINDOW,
    ZONE,
    keys,
    make_grant,
    named,
    refused,
    with_windows,
)


def test_grant_carries_what_the_session_needs() -> None:
    """Where every rule holds, the grant says who, where, by what account, until when, and by which channels."""
    grant = make_grant()
    assert (grant.person_login, grant.device_name, grant.account_name) == ("alice", "scan01", "maint")
    assert (grant.address, grant.port, grant.source_address) == ("127.0.0.1", 2201, "127.0.0.2")
    assert (grant.supplier_name, grant.site, grant.source) == ("Imagix", "Lyon", "192.0.2.7")
    assert (grant.account_method, grant.kind) == (AccountMethod.PASSWORD, InterventionKind.REMOTE_MAINTENANCE)
    assert (grant.window_id, grant.occurrence_id, grant.opened) == ("w1", "o1", OPENS)
    assert grant.purpose == WINDOW.purpose
    assert grant.host_keys == DEVICE.host_keys
    assert grant.issued_at == DURING
    assert grant.ask_again_at == grant.obligations.hard_end == CLOSES
    assert grant.obligations.channels == {Channel.SHELL, Channel.SFTP_UP}
    assert grant.obligations.idle_limit == timedelta(minutes=10)
    assert all(finding.held for finding in grant.findings)


def test_each_grant_is_another_session() -> None:
    """Two grants of the same facts differ by their session alone."""
    assert make_grant().session_id != make_grant().session_id


def test_findings_come_in_gate_order() -> None:
    """Supplier, person, device, window, limits: the order in which a refusal is read."""
    codes = [finding.code for finding in make_grant().findings]
    assert codes == [
        "E4",
        "C2",
        "E3",
        "S35",
        "T1",
        "T2",
        "T5",
        "T9",
        "X09",
        "O3",
        "E9",
        "T10",
        "X35",
        "X35",
        "T11",
    ]


def test_every_failure_is_collected() -> None:
    """No rule stops at another's failure: everything that is wrong is told at once."""
    world = replace(
        FACTS,
        supplier=replace(SUPPLIER, active=False),
        person=replace(ALICE, active=False),
        device=replace(DEVICE, active=False, host_keys=()),
        zone=None,
        accounts=(replace(ACCOUNT, vaulted=False),),
        live_sessions=4,
    )
    request = replace(REQUEST, source="203.0.113.9", factors=frozenset({Factor.PASSWORD}))
    denial = refused(world, request, OPENS - SECOND)
    assert [finding.code for finding in denial.failed] == [
        "E4",
        "C2",
        "E3",
        "S35",
        "T1",
        "T2",
        "T5",
        "T9",
        "O3",
        "X35",
    ]
    assert all(finding.next_step and finding.mover for finding in denial.failed)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (OPENS - timedelta(microseconds=1), False),
        (OPENS, True),
        (CLOSES - timedelta(microseconds=1), True),
        (CLOSES, False),
    ],
)
def test_window_is_half_open(at: datetime, opens: bool) -> None:
    """O3: closed at 19:59:59, open at 20:00:00, open until 22:00:00 and no longer."""
    assert isinstance(decide(REQUEST, FACTS, at), Grant) is opens


FAILURES: list[tuple[str, Callable[[Facts], Facts]]] = [
    ("finding.E4.suspended", lambda f: replace(f, supplier=replace(SUPPLIER, active=False))),
    ("finding.E3.suspended", lambda f: replace(f, person=replace(ALICE, active=False))),
    ("finding.E3.role", lambda f: replace(f, person=replace(ALICE, roles=frozenset({Role.PLANNER})))),
    ("finding.C2.undeclared", lambda f: replace(f, supplier=replace(SUPPLIER, sites=()))),
    ("finding.T1.isolated", lambda f: replace(f, device=replace(DEVICE, active=False))),
    ("finding.T2.none", lambda f: replace(f, zone=None)),
    ("finding.T2.none", lambda f: replace(f, zone=replace(ZONE, id=ZoneId("z2")))),
    ("finding.T2.none", lambda f: replace(f, zone=replace(ZONE, hospital_id=HospitalId("h2")))),
    ("finding.T5.unpinned", lambda f: replace(f, device=replace(DEVICE, host_keys=()))),
    ("finding.T9.unknown", lambda f: replace(f, accounts=())),
    ("finding.T9.unknown", lambda f: replace(f, accounts=(replace(ACCOUNT, device_id=DeviceId("d2")),))),
    ("finding.T9.unknown", lambda f: replace(f, accounts=(replace(ACCOUNT, hospital_id=HospitalId("h2")),))),
    ("finding.T9.suspended", lambda f: replace(f, accounts=(replace(ACCOUNT, active=False),))),
    ("finding.T9.unvaulted", lambda f: replace(f, accounts=(replace(ACCOUNT, vaulted=False),))),
    ("finding.O3.none", lambda f: replace(f, windows=())),
    ("finding.O3.none", lambda _: with_windows(replace(WINDOW, people=frozenset({PersonId("bob")})))),
    ("finding.O3.none", lambda _: with_windows(replace(WINDOW, devices=frozenset({DeviceId("d2")})))),
    ("finding.O3.none", lambda _: with_windows(replace(WINDOW, hospital_id=HospitalId("h2")))),
    ("finding.O3.unapproved", lambda _: with_windows(replace(WINDOW, state=WindowState.PLANNED))),
    (
        "finding.O3.unapproved",
        lambda _: with_windows(replace(WINDOW, state=WindowState.PLANNED, approved_by=None)),
    ),
    ("finding.O3.cancelled", lambda _: with_windows(replace(WINDOW, state=WindowState.CANCELLED))),
    ("finding.O3.over", lambda _: with_windows(replace(WINDOW, occurrences=()))),
    ("finding.O3.outside", lambda _: with_windows(named(WINDOW, "w1", LATER))),
    ("finding.O3.no_channel", lambda _: with_windows(replace(WINDOW, channels=frozenset()))),
    ("finding.E9.other_supplier", lambda f: replace(f, interventions={})),
    ("finding.T10.none", lambda _: with_windows(replace(WINDOW, idle=IdleRule(limit=timedelta(0))))),
    (
        "finding.T10.none",
        lambda _: with_windows(
            replace(WINDOW, idle=IdleRule(limit=timedelta(minutes=5), output_counts=True))
        ),
    ),
    ("finding.X35.full", lambda f: replace(f, live_sessions=4)),
    ("finding.X35.full", lambda f: replace(f, session_limit=0)),
]


@pytest.mark.parametrize(("key", "spoil"), FAILURES, ids=[key for key, _ in FAILURES])
def test_one_failure_refuses(key: str, spoil: Callable[[Facts], Facts]) -> None:
    """In a world that grants, any single fact gone wrong refuses, and is the only failure told."""
    assert keys(refused(spoil(FACTS))) == [key]


@pytest.mark.parametrize(("ceiling", "opens"), [(4, False), (5, True), (60, True)])
def test_ceiling_is_no_shorter_than_the_delay(ceiling: int, opens: bool) -> None:
    """T10: where output counts, a ceiling below the idle delay contradicts it, and opens nothing."""
    idle = IdleRule(limit=timedelta(minutes=5), output_counts=True, ceiling=timedelta(minutes=ceiling))
    decision = decide(REQUEST, with_windows(replace(WINDOW, idle=idle)), DURING)
    assert isinstance(decision, Grant) is opens


def test_window_approved_by_its_requester_does_not_open() -> None:
    """Four eyes: whatever the store says, a window approved by who asked for it is not approved."""
    denial = refused(with_windows(replace(WINDOW, approved_by=WINDOW.requested_by)))
    assert [finding.code for finding in denial.failed] == ["O3"]


@pytest.mark.parametrize(
    "state", sorted(set(InterventionState) - {InterventionState.APPROVED, InterventionState.IN_PROGRESS})
)
def test_intervention_that_does_not_go_on_refuses(state: InterventionState) -> None:
    """E9: an intervention that waits, is on hold or is over takes no session, and the refusal says which."""
    world = replace(FACTS, interventions={INTERVENTION.id: replace(INTERVENTION, state=state)})
    assert keys(refused(world)) == [f"finding.E9.{state.value}"]


@pytest.mark.parametrize(
    "intervention",
    [
        replace(INTERVENTION, supplier_id=SupplierId("other")),
        replace(INTERVENTION, hospital_id=HospitalId("h2")),
    ],
    ids=["supplier", "hospital"],
)
def test_intervention_of_somebody_else_refuses(intervention: Intervention) -> None:
    """A window on another supplier's intervention, or another hospital's, opens nothing for this person."""
    world = replace(FACTS, interventions={INTERVENTION.id: intervention})
    assert keys(refused(world)) == ["finding.E9.other_supplier"]


def test_staff_without_a_supplier_are_refused() -> None:
    """Internal units are registered as suppliers too: a person of none has no way in, and is told why."""
    denial = refused(replace(FACTS, person=replace(ALICE, supplier_id=None), supplier=None))
    assert "finding.E4.none" in keys(denial)


@pytest.mark.parametrize("source", ["203.0.113.9", "", "not an address", "192.0.2.7\x00", "::1"])
def test_source_outside_declared_sites(source: str) -> None:
    """C2: an address outside the declared sites, or no address, refuses; the finding carries it."""
    denial = refused(request=replace(REQUEST, source=source))
    assert keys(denial) == ["finding.C2.undeclared"]
    assert denial.failed[0].arguments == {"source": source}


@pytest.mark.parametrize("factors", [set(), {Factor.PASSWORD}, {Factor.TOTP}, {Factor.PUBLIC_KEY}])
def test_one_factor_opens_nothing(factors: set[Factor]) -> None:
    """S35: nothing opens with one factor."""
    assert keys(refused(request=replace(REQUEST, factors=frozenset(factors)))) == ["finding.S35.missing"]


def test_device_named_by_group() -> None:
    """A window on a group opens each device of the group."""
    window = replace(WINDOW, devices=frozenset(), groups=frozenset({"scanners"}))
    assert make_grant(with_windows(window)).window_id == "w1"


def test_unknown_and_forbidden_device_are_told_the_same() -> None:
    """Invariant 7: to somebody whom no window names, both refusals are equal in all that is shown."""
    forbidden = refused(with_windows())
    unknown = refused(replace(FACTS, device=None, zone=None, accounts=(), windows=()))
    assert forbidden.told == unknown.told
    assert forbidden.disclose is unknown.disclose is False
    assert forbidden.next_opening is unknown.next_opening is None


def test_true_reason_is_kept_for_the_journal() -> None:
    """What is not told is still found: the journal distinguishes the two."""
    assert "finding.T1.unknown" in keys(
        refused(replace(FACTS, device=None, zone=None, accounts=(), windows=()))
    )
    assert keys(refused(with_windows())) == ["finding.O3.none"]


def test_reasons_are_told_to_whom_a_window_names() -> None:
    """Somebody a window names, even one not approved yet, may know the device exists."""
    assert refused(with_windows(replace(WINDOW, state=WindowState.PLANNED))).disclose


def test_next_opening_is_the_first_of_approved_windows() -> None:
    """The refusal says when to come back: the first start to come among windows that would open."""
    soon = named(WINDOW, "soon", (OPENS + timedelta(hours=5), OPENS + timedelta(hours=6)))
    planned = replace(named(WINDOW, "planned", (OPENS + SECOND, CLOSES)), state=WindowState.PLANNED)
    others = replace(named(WINDOW, "bob", (OPENS + SECOND, CLOSES)), people=frozenset({PersonId("bob")}))
    denial = refused(with_windows(named(WINDOW, "later", LATER), soon, planned, others), at=OPENS)
    assert denial.next_opening == (OPENS + timedelta(hours=5), OPENS + timedelta(hours=6))


def test_next_opening_skips_windows_that_cannot_serve() -> None:
    """A window on a closed intervention, or for another account than asked, is no opening."""
    closed = {INTERVENTION.id: replace(INTERVENTION, state=InterventionState.CLOSED)}
    world = replace(with_windows(named(WINDOW, "later", LATER)), interventions=closed)
    assert refused(world).next_opening is None
    asked = replace(REQUEST, account_name="param")
    assert refused(with_windows(named(WINDOW, "later", LATER)), asked).next_opening is None


def test_next_opening_of_a_day_of_24_hours_is_not_tomorrow() -> None:
    """A round-the-clock window that is open now has no next opening at midnight."""
    days = [(OPENS + timedelta(days=n), OPENS + timedelta(days=n + 1)) for n in range(3)]
    denial = refused(with_windows(named(WINDOW, "w1", *days)), replace(REQUEST, source="203.0.113.9"))
    assert denial.next_opening is None


def cut(scope: RevocationScope, target: str, at: datetime = DURING) -> Revocation:
    """Return a cut by the security staff."""
    return Revocation(
        hospital_id=HOSPITAL.id, scope=scope, target=target, at=at, reason="exercice", by=PersonId("rssi")
    )


def test_cut_that_is_past_does_not_bar_a_new_session() -> None:
    """A cut ends sessions; to keep somebody out one suspends her."""
    world = replace(FACTS, revocations=(cut(RevocationScope.ALL, "", DURING - SECOND),))
    assert make_grant(world).issued_at == DURING


def test_cut_ahead_of_the_clock_bars() -> None:
    """A node whose clock is behind a cut does not issue a grant that the cut already reaches."""
    world = replace(FACTS, revocations=(cut(RevocationScope.PERSON, ALICE.id),))
    denial = refused(world)
    assert keys(denial) == ["finding.X35.cut"]
    assert denial.failed[0].arguments["reason"] == "exercice"


@pytest.mark.parametrize(
    "change",
    [
        {"person": replace(ALICE, id=PersonId("bob"))},
        {"hospital": replace(HOSPITAL, id=HospitalId("h2"))},
        {"device": replace(DEVICE, name="ris02")},
        {"device": replace(DEVICE, hospital_id=HospitalId("h2"))},
        {"supplier": replace(SUPPLIER, id=SupplierId("other"))},
    ],
    ids=["person", "hospital", "device", "device's hospital", "supplier"],
)
def test_facts_of_another_question_are_an_error(change: dict[str, object]) -> None:
    """Facts about somebody or something else are a defect of the caller: nothing is decided on them."""
    with pytest.raises(ValueError, match="facts"):
        decide(REQUEST, replace(FACTS, **change), DURING)  # type: ignore[arg-type]  # a field by name


def test_naive_instant_is_an_error() -> None:
    """An instant without a zone decides nothing."""
    with pytest.raises(ValueError, match="aware"):
        decide(REQUEST, FACTS, DURING.replace(tzinfo=None))


def test_instants_in_another_zone_are_the_same_instants() -> None:
    """An aware instant of any zone is accepted, and the grant states it in UTC."""
    grant = make_grant(at=DURING.astimezone(timezone(timedelta(hours=5, minutes=45))))
    assert grant.issued_at == DURING
    assert grant.issued_at.tzinfo is UTC


def test_grant_is_for_the_account_found() -> None:
    """The account's id in the grant is that of the account by name: the vault opens by that id."""
    assert make_grant().account_id == AccountId("a1")
