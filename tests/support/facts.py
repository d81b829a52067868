"""A world in which Alice may maintain scan01 tonight, as plain values: what the engine is asked about."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from policy.domain.access import AccessRequest, Denial, Facts, Grant
from policy.domain.devices import AccountMethod, Algorithms, DedicatedAccount, Device, Zone
from policy.domain.hospitals import Hospital
from policy.domain.ids import (
    AccountId,
    DeviceId,
    HospitalId,
    InterventionId,
    OccurrenceId,
    PersonId,
    SiteId,
    SupplierId,
    WindowId,
    ZoneId,
)
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.domain.people import Factor, Language, Person, Role
from policy.domain.suppliers import Site, Supplier
from policy.domain.windows import Channel, IdleRule, Occurrence, Window, WindowState
from policy.engine.decide import decide

OPENS: Final = datetime(2026, 3, 3, 19, 0, tzinfo=UTC)
"""20:00 in Paris: the window is 20:00-22:00."""
CLOSES: Final = OPENS + timedelta(hours=2)
DURING: Final = OPENS + timedelta(minutes=30)

HOSPITAL: Final = Hospital(
    id=HospitalId("h1"),
    name="CH de Test",
    timezone="Europe/Paris",
    security_contact="RSSI, poste 4242",
)
SITE: Final = Site(id=SiteId("lyon"), name="Lyon", country="FR", networks=("192.0.2.0/24", "2001:db8::/48"))
SUPPLIER: Final = Supplier(
    id=SupplierId("imagix"), hospital_id=HOSPITAL.id, name="Imagix", active=True, sites=(SITE,)
)
ALICE: Final = Person(
    id=PersonId("alice"),
    hospital_id=HOSPITAL.id,
    login="alice",
    full_name="Alice Martin",
    email="alice@imagix.example",
    language=Language.FRENCH,
    roles=frozenset({Role.TECHNICIAN}),
    supplier_id=SUPPLIER.id,
    active=True,
)
ZONE: Final = Zone(id=ZoneId("z1"), hospital_id=HOSPITAL.id, name="imagerie", source_address="127.0.0.2")
DEVICE: Final = Device(
    id=DeviceId("d1"),
    hospital_id=HOSPITAL.id,
    name="scan01",
    description="Scanner",
    zone_id=ZONE.id,
    address="127.0.0.1",
    port=2201,
    host_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",),
    groups=frozenset({"scanners"}),
    algorithms=Algorithms(),
    active=True,
)
ACCOUNT: Final = DedicatedAccount(
    id=AccountId("a1"),
    hospital_id=HOSPITAL.id,
    device_id=DEVICE.id,
    name="maint",
    method=AccountMethod.PASSWORD,
    vaulted=True,
    active=True,
)
SECOND_ACCOUNT: Final = replace(ACCOUNT, id=AccountId("a2"), name="param")
INTERVENTION: Final = Intervention(
    id=InterventionId("i1"),
    hospital_id=HOSPITAL.id,
    supplier_id=SUPPLIER.id,
    kind=InterventionKind.REMOTE_MAINTENANCE,
    purpose="Révision annuelle",
    state=InterventionState.IN_PROGRESS,
    requested_by=PersonId("dsi"),
    requested_at=OPENS - timedelta(days=7),
)


def occurrence(
    start: datetime = OPENS, end: datetime = CLOSES, *, name: str = "o1", window: str = "w1"
) -> Occurrence:
    """Return an occurrence of the window called *window*."""
    return Occurrence(id=OccurrenceId(name), window_id=WindowId(window), start=start, end=end)


WINDOW: Final = Window(
    id=WindowId("w1"),
    hospital_id=HOSPITAL.id,
    intervention_id=INTERVENTION.id,
    people=frozenset({ALICE.id}),
    devices=frozenset({DEVICE.id}),
    groups=frozenset(),
    account="maint",
    channels=frozenset({Channel.SHELL, Channel.SFTP_UP}),
    idle=IdleRule(limit=timedelta(minutes=10)),
    purpose="Mise à jour du logiciel",
    state=WindowState.APPROVED,
    requested_by=PersonId("dsi"),
    approved_by=PersonId("denis"),
    recurrence=None,
    occurrences=(occurrence(),),
)
REQUEST: Final = AccessRequest(
    hospital_id=HOSPITAL.id,
    person_id=ALICE.id,
    device_name="scan01",
    account_name=None,
    source="192.0.2.7",
    factors=frozenset({Factor.PASSWORD, Factor.TOTP}),
)
SECOND: Final = timedelta(seconds=1)
LATER: Final = (OPENS + timedelta(days=1), CLOSES + timedelta(days=1))
FACTS: Final = Facts(
    hospital=HOSPITAL,
    person=ALICE,
    supplier=SUPPLIER,
    device=DEVICE,
    zone=ZONE,
    accounts=(ACCOUNT,),
    windows=(WINDOW,),
    interventions={INTERVENTION.id: INTERVENTION},
    revocations=(),
    live_sessions=0,
    session_limit=4,
)


def with_windows(*windows: Window, facts: Facts = FACTS) -> Facts:
    """Return *facts* with these windows instead."""
    return replace(facts, windows=tuple(windows))


def named(window: Window, name: str, *spans: tuple[datetime, datetime]) -> Window:
    """Return *window* under another id, with one occurrence for each ``(start, end)`` of *spans*."""
    found: Iterable[Occurrence] = (
        occurrence(start, end, name=f"{name}-{number}", window=name)
        for number, (start, end) in enumerate(spans)
    )
    return replace(window, id=WindowId(name), occurrences=tuple(found))


def make_grant(facts: Facts = FACTS, *, at: datetime = DURING, request: AccessRequest = REQUEST) -> Grant:
    """Return the grant that the engine gives in this world; fails the test where it refuses."""
    decision = decide(request, facts, at)
    assert isinstance(decision, Grant), [finding.key for finding in decision.failed]
    return decision


def refused(facts: Facts = FACTS, request: AccessRequest = REQUEST, at: datetime = DURING) -> Denial:
    """Return the denial that the engine gives; fails the test where it grants."""
    decision = decide(request, facts, at)
    assert isinstance(decision, Denial)
    return decision


def keys(denial: Denial) -> list[str]:
    """Return the keys of the findings that failed."""
    return [finding.key for finding in denial.failed]
