"""What a decision asks of the database: one question, built once, for asking and building cost more than all that is found.

Both questions take ``hospital``, ``people``, ``at``, ``beat_since``, ``since``, ``past`` and ``occurrences``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    func,
    select,
    true,
)
from sqlalchemy.sql.expression import Exists

from policy.store import tables as t
from policy.store.lists import Listing, listed
from policy.store.repositories.accounts import VAULTED
from policy.store.repositories.leases import live_sessions_of

_COMING = 64
"""How many occurrences of a window are read ahead; the next one is all that a refusal names."""
_o = t.occurrences.c

Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """One statement; its answer is one row of three lists, of which these read the rows."""

    statement: Query
    people: Listing
    devices: Listing
    windows: Listing


@cache
def facts_on() -> Question:
    """Ask for ``people``, for the devices of these ``names`` or ids (``devices``), and for the windows that name both."""
    d, g = t.devices.c, t.device_groups.c
    hospital: BindParameter[str] = bindparam("hospital")
    wanted = d.name.in_(_several("names")) | d.id.in_(_several("devices"))
    them = select(d.id).where((d.hospital_id == hospital) & wanted)
    groups = select(g.name).where((g.hospital_id == hospital) & g.device_id.in_(them))
    w, n = t.window_devices.c, t.window_groups.c
    by_device = select(w.window_id).where((w.hospital_id == hospital) & w.device_id.in_(them))
    by_group = select(n.window_id).where((n.hospital_id == hospital) & n.name.in_(groups))
    naming = t.windows.c.id.in_(by_device) | t.windows.c.id.in_(by_group)
    return _question(_devices(wanted), _windows(t.windows.c.id.in_(_of_people()) & naming))


@cache
def facts_of() -> Question:
    """Ask for ``people``, for the windows that name one of them, and for every device that those name."""
    w, n, g = t.window_devices.c, t.window_groups.c, t.device_groups.c
    hospital: BindParameter[str] = bindparam("hospital")
    hers = t.windows.c.id.in_(_of_people())
    living = select(t.windows.c.id).where((t.windows.c.hospital_id == hospital) & hers & _lives())
    named = select(w.device_id).where((w.hospital_id == hospital) & w.window_id.in_(living))
    groups = select(n.name).where((n.hospital_id == hospital) & n.window_id.in_(living))
    members = select(g.device_id).where((g.hospital_id == hospital) & g.name.in_(groups))
    return _question(_devices(t.devices.c.id.in_(named) | t.devices.c.id.in_(members)), _windows(hers))


def _question(devices: Query, windows: Query) -> Question:
    lists = {"people": Listing(_people()), "devices": Listing(devices), "windows": Listing(windows)}
    return Question(select(*(each.column.label(name) for name, each in lists.items())), **lists)


def _people() -> Query:
    """Ask for each person with the hospital, with her supplier, and with what stands between her and a device.

    That is: how many live sessions she has (``beat_since``), how the texts stand that are demanded of her (``at``), and
    whether anything was cut ``since`` an instant.
    """
    p, s, c = t.people.c, t.suppliers.c, t.revocations.c
    cut = select(c.id).where((c.hospital_id == bindparam("hospital")) & (c.at >= bindparam("since")))
    same = (s.hospital_id == p.hospital_id) & (s.id == p.supplier_id)
    return (
        select(
            *_labelled("h", t.hospitals),
            *_labelled("p", t.people),
            *_labelled("s", t.suppliers),
            live_sessions_of(p.hospital_id, p.id, bindparam("beat_since")).label("live"),
            _engagements().label("engagements"),
            cut.exists().label("cut"),
        )
        .select_from(
            t.people.join(t.hospitals, t.hospitals.c.id == p.hospital_id).outerjoin(t.suppliers, same)
        )
        .where((p.hospital_id == bindparam("hospital")) & p.id.in_(_several("people")))
    )


def _engagements() -> ScalarSelect[Any]:
    """How each text stands at ``at`` for whom of ``people`` it is demanded of: its kind, version in force, version accepted."""
    p, texts, duties, made = t.people.c, t.engagement_texts.c, t.engagement_duties.c, t.engagements.c
    in_force = (
        select(texts.kind, func.max(texts.version).label("version"))
        .where((texts.hospital_id == bindparam("hospital")) & (texts.effective_at <= bindparam("at")))
        .group_by(texts.kind)
        .subquery()
    )
    accepted = (
        select(func.max(made.version))
        .where(
            (made.hospital_id == p.hospital_id) & (made.person_id == p.id) & (made.kind == in_force.c.kind)
        )
        .correlate(t.people, in_force)
        .scalar_subquery()
    )
    demanded = (
        select(duties.since)
        .where((duties.hospital_id == p.hospital_id) & (duties.person_id == p.id))
        .correlate(t.people)
        .exists()
    )
    return listed(in_force, demanded, in_force.c.kind, in_force.c.version, accepted)


def _devices(wanted: ColumnElement[bool]) -> Query:
    d, a, g, z = t.devices.c, t.accounts.c, t.device_groups.c, t.zones.c
    return (
        select(
            *_labelled("d", t.devices),
            *_labelled("z", t.zones),
            *_labelled("a", t.accounts),
            VAULTED.label("a_vaulted"),
            g.name.label("group"),
        )
        .select_from(
            t.devices.join(t.zones, (z.hospital_id == d.hospital_id) & (z.id == d.zone_id))
            .outerjoin(t.accounts, (a.hospital_id == d.hospital_id) & (a.device_id == d.id))
            .outerjoin(t.device_groups, (g.hospital_id == d.hospital_id) & (g.device_id == d.id))
        )
        .where((d.hospital_id == bindparam("hospital")) & wanted)
    )


def _of_people() -> Query:
    c = t.window_people.c
    return select(c.window_id).where(
        (c.hospital_id == bindparam("hospital")) & c.person_id.in_(_several("people"))
    )


def _lives() -> Exists:
    """Whether a window is not over before ``past``, or has one of ``occurrences``."""
    return select(_o.id).where(_of_window() & _recent()).correlate(t.windows).exists()


def _windows(wanted: ColumnElement[bool]) -> Query:
    w, i = t.windows.c, t.interventions.c
    p, d, g = t.window_people.c, t.window_devices.c, t.window_groups.c
    same = (i.hospital_id == w.hospital_id) & (i.id == w.intervention_id)
    return (
        select(
            t.windows,
            *_labelled("i", t.interventions),
            listed(t.window_people, _of_this(p.hospital_id, p.window_id), p.person_id).label("named_people"),
            listed(t.window_devices, _of_this(d.hospital_id, d.window_id), d.device_id).label(
                "named_devices"
            ),
            listed(t.window_groups, _of_this(g.hospital_id, g.window_id), g.name).label("named_groups"),
            _coming().label("coming"),
            _just_over().label("just_over"),
        )
        .select_from(t.windows.join(t.interventions, same))
        .where((w.hospital_id == bindparam("hospital")) & wanted & _lives())
    )


def _coming() -> ScalarSelect[Any]:
    """The occurrences that end after ``at``, the next ones of each window."""
    next_ones = (
        select(_o.id, _o.start_at, _o.end_at)
        .where(_of_window() & _recent() & (_o.end_at > bindparam("at")))
        .order_by(_o.start_at, _o.id)
        .limit(_COMING)
        .correlate(t.windows)
        .subquery()
    )
    return listed(next_ones, true(), next_ones.c.id, next_ones.c.start_at, next_ones.c.end_at)


def _just_over() -> ScalarSelect[Any]:
    where = _of_window() & _recent() & (_o.end_at <= bindparam("at"))
    return listed(t.occurrences, where, _o.id, _o.start_at, _o.end_at)


@cache
def revocations() -> Query:
    """Ask for the cuts ``since`` an instant, in their order."""
    c = t.revocations.c
    where = (c.hospital_id == bindparam("hospital")) & (c.at >= bindparam("since"))
    return select(t.revocations).where(where).order_by(c.at, c.id)


def _of_this(hospital_id: ColumnElement[str], window_id: ColumnElement[str]) -> ColumnElement[bool]:
    return (hospital_id == t.windows.c.hospital_id) & (window_id == t.windows.c.id)


def _of_window() -> ColumnElement[bool]:
    return _of_this(_o.hospital_id, _o.window_id)


def _recent() -> ColumnElement[bool]:
    return (_o.end_at > bindparam("past")) | _o.id.in_(_several("occurrences"))


def _several(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


def _labelled(prefix: str, table: Table) -> list[ColumnElement[Any]]:
    return [column.label(f"{prefix}_{column.name}") for column in table.c]
