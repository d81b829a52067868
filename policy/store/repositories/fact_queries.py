"""What a decision asks of the database, built once: building it anew for each decision costs as much as asking."""

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Table, bindparam, case, func, select
from sqlalchemy.sql.expression import Exists

from policy.store import tables as t
from policy.store.repositories.accounts import VAULTED
from policy.store.repositories.leases import live_sessions_of

_COMING = 64
"""How many occurrences of a window are read ahead; the next one is all that a refusal names."""
_o = t.occurrences.c

Query = Select[*tuple[Any, ...]]


@cache
def people() -> Query:
    """Ask for ``people`` of ``hospital`` with it, their suppliers, and how many live sessions each has (``beat_since``)."""
    p, s = t.people.c, t.suppliers.c
    same = (s.hospital_id == p.hospital_id) & (s.id == p.supplier_id)
    return (
        select(
            *_labelled("h", t.hospitals),
            *_labelled("p", t.people),
            *_labelled("s", t.suppliers),
            live_sessions_of(p.hospital_id, p.id, bindparam("beat_since")).label("live"),
        )
        .select_from(
            t.people.join(t.hospitals, t.hospitals.c.id == p.hospital_id).outerjoin(t.suppliers, same)
        )
        .where((p.hospital_id == bindparam("hospital")) & p.id.in_(_several("people")))
    )


@cache
def devices_named() -> Query:
    """Ask for the devices of these ``names`` or ids (``devices``)."""
    d = t.devices.c
    return _devices(d.name.in_(_several("names")) | d.id.in_(_several("devices")))


@cache
def devices_of() -> Query:
    """Ask for the devices of these ids (``devices``) or in these ``groups``."""
    g = t.device_groups.c
    members = select(g.device_id).where(
        (g.hospital_id == bindparam("hospital")) & g.name.in_(_several("groups"))
    )
    return _devices(t.devices.c.id.in_(_several("devices")) | t.devices.c.id.in_(members))


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


@cache
def windows_of() -> Query:
    """Ask for the windows that name one of ``people``, unless over before ``past`` and none of ``occurrences``."""
    return _windows(t.windows.c.id.in_(_of_people()))


@cache
def windows_on() -> Query:
    """Ask for those of them that name one of ``devices`` or ``groups``."""
    d, g = t.window_devices.c, t.window_groups.c
    hospital: BindParameter[str] = bindparam("hospital")
    by_device = select(d.window_id).where((d.hospital_id == hospital) & d.device_id.in_(_several("devices")))
    by_group = select(g.window_id).where((g.hospital_id == hospital) & g.name.in_(_several("groups")))
    naming = t.windows.c.id.in_(by_device) | t.windows.c.id.in_(by_group)
    return _windows(t.windows.c.id.in_(_of_people()) & naming)


def _of_people() -> Query:
    c = t.window_people.c
    return select(c.window_id).where(
        (c.hospital_id == bindparam("hospital")) & c.person_id.in_(_several("people"))
    )


def _windows(wanted: ColumnElement[bool]) -> Query:
    w, i = t.windows.c, t.interventions.c
    same = (i.hospital_id == w.hospital_id) & (i.id == w.intervention_id)
    lives: Exists = select(_o.id).where(_recent() & (_o.window_id == w.id)).exists()
    return (
        select(t.windows, *_labelled("i", t.interventions))
        .select_from(t.windows.join(t.interventions, same))
        .where((w.hospital_id == bindparam("hospital")) & wanted & lives)
        .order_by(w.id)
    )


@cache
def near() -> Query:
    """Ask for the occurrences of ``windows`` that matter at the instant ``at``: the next ones, and those just over."""
    rank = func.row_number().over(
        partition_by=(_o.window_id, case((_o.end_at > bindparam("at"), 1), else_=0)),
        order_by=(_o.start_at, _o.id),
    )
    nearest = (
        select(_o.id, rank.label("rank"), _o.end_at)
        .where((_o.hospital_id == bindparam("hospital")) & _o.window_id.in_(_several("windows")) & _recent())
        .subquery()
    )
    few = select(nearest.c.id).where((nearest.c.rank <= _COMING) | (nearest.c.end_at <= bindparam("at")))
    return select(t.occurrences).where(
        (_o.hospital_id == bindparam("hospital")) & _o.window_id.in_(_several("windows")) & _o.id.in_(few)
    )


@cache
def revocations() -> Query:
    """Ask for the cuts ``since`` an instant, in their order."""
    c = t.revocations.c
    where = (c.hospital_id == bindparam("hospital")) & (c.at >= bindparam("since"))
    return select(t.revocations).where(where).order_by(c.at, c.id)


def _recent() -> ColumnElement[bool]:
    of_here = _o.hospital_id == bindparam("hospital")
    return of_here & ((_o.end_at > bindparam("past")) | _o.id.in_(_several("occurrences")))


def _several(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


def _labelled(prefix: str, table: Table) -> list[ColumnElement[Any]]:
    return [column.label(f"{prefix}_{column.name}") for column in table.c]
