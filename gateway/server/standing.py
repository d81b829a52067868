"""Whether what a person proved at log-in still counts: a cut, a renewal or a suspension makes her log in again.

Policy ends the sessions. A connection with none of them (the menu, a shared one that waits for a jump) would outlive
it, and its next session would rest on a telephone that serves no longer.
"""

from policy.domain.access import RevocationScope
from policy.domain.events import PolicyEvent
from policy.domain.people import Person

_ALL = f"{RevocationScope.ALL.value}.cut"
_HERS = frozenset({f"{RevocationScope.PERSON.value}.cut", "person.resumed"})
_SUPPLIERS = frozenset({f"{RevocationScope.SUPPLIER.value}.cut", "supplier.resumed"})


def spent(event: PolicyEvent, person: Person) -> bool:
    """Tell whether *event* makes a log-in of *person* before it count no more.

    A renewal and a lost factor come with a cut of the person. While she is suspended, policy refuses her and says
    why; it is the end of the suspension that must find nobody waiting.
    """
    if event.hospital_id != person.hospital_id:
        return False
    if event.name in _HERS:
        return event.subject == person.id
    if event.name in _SUPPLIERS:
        return event.subject == person.supplier_id
    return event.name == _ALL
