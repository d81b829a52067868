"""The steps of a visit, in their order: which are done, which one is open."""

from dataclasses import dataclass
from enum import StrEnum

from policy.domain.visits import VisitPurpose
from policy.services.visits import Situation


class Step(StrEnum):
    """One page of the way; its value is its address under ``/enrol/``."""

    WELCOME = "welcome"
    PASSWORD = "password"  # noqa: S105 - the name of a step, not a secret
    CODE = "code"
    KEY = "key"
    ENGAGEMENTS = "engagements"
    RECOVERY = "recovery"
    CONNECTION = "connection"

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/enrol/{self.value}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A step as the progress shows it."""

    step: Step
    number: int
    done: bool
    current: bool


_BEFORE = (Step.WELCOME, Step.PASSWORD, Step.CODE)
_AFTER = (Step.KEY, Step.ENGAGEMENTS, Step.RECOVERY, Step.CONNECTION)


def steps_of(situation: Situation) -> tuple[Step, ...]:
    """Return the steps of this visit: those that its purpose needs, and those that are for technicians only."""
    purpose = situation.visit.purpose
    first = {
        VisitPurpose.ENROLMENT: _BEFORE,
        VisitPurpose.NEW_PHONE: (Step.CODE,),
        VisitPurpose.NEW_PASSWORD: (Step.PASSWORD,),
        VisitPurpose.ACCOUNT: (),
    }[purpose]
    texts = bool(situation.to_accept or situation.accepted)
    return first + tuple(step for step in _AFTER if step is not Step.ENGAGEMENTS or texts)


def is_open(situation: Situation, step: Step) -> bool:
    """Tell whether *step* may be taken now: what proves who she is comes first, and is not done twice."""
    if step not in steps_of(situation):
        return False
    if step in _AFTER:
        return situation.confirmed
    if situation.confirmed:
        return False
    return step is not Step.CODE or situation.enrolment is not None


def present(situation: Situation) -> Step:
    """Return the step to go to where none, or one that is not open, was asked for."""
    if not situation.confirmed:
        if situation.enrolment is not None:
            return Step.CODE
        first = steps_of(situation)[0]
        return Step.PASSWORD if first is Step.CODE else first
    if situation.to_accept:
        return Step.ENGAGEMENTS
    return Step.KEY


def after(situation: Situation, step: Step) -> Step:
    """Return the step that follows *step*; the last one follows itself."""
    way = steps_of(situation)
    place = way.index(step)
    return way[min(place + 1, len(way) - 1)]


def marks(situation: Situation, step: Step) -> tuple[Mark, ...]:
    """Return the progress to show on the page of *step*."""
    way = steps_of(situation)
    here = way.index(step)
    return tuple(
        Mark(one, number, done=_done(situation, one, number - 1 < here), current=one is step)
        for number, one in enumerate(way, start=1)
    )


def _done(situation: Situation, step: Step, passed: bool) -> bool:
    match step:
        case Step.ENGAGEMENTS:
            return not situation.to_accept
        case Step.RECOVERY:
            return situation.codes_left > 0
        case Step.CONNECTION:
            return situation.connected_at is not None
        case Step.KEY:
            return passed or bool(situation.keys)
        case _:
            return passed or situation.confirmed
