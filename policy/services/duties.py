"""Who may ask for what: each use case names the duty it belongs to, and its actor must hold a role that has it."""

from enum import Enum

from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Person, Role
from policy.errors import Forbidden
from policy.store.unit_of_work import View


class Duty(Enum):
    """A part of the hospital's side, and the roles that may take it."""

    MANAGE = frozenset({Role.ADMINISTRATOR})
    PLAN = frozenset({Role.PLANNER, Role.ADMINISTRATOR})
    STOP = frozenset({Role.PLANNER, Role.SECURITY, Role.ADMINISTRATOR})
    RESUME = frozenset({Role.SECURITY, Role.ADMINISTRATOR})
    DEROGATE = RESUME
    HOLD = frozenset({Role.SECURITY})
    READ = STOP
    ASK = frozenset({Role.TECHNICIAN})


async def require(view: View, hospital_id: HospitalId, actor: PersonId, duty: Duty) -> Person:
    """Return the actor; raises Forbidden unless she is active, of this hospital, and has *duty*."""
    person = await view.people.find(hospital_id, actor)
    if person is None or not person.active or not person.roles & duty.value:
        roles = ", ".join(sorted(role.value for role in duty.value))
        raise Forbidden(f"only these roles may do this: {roles}")
    return person
