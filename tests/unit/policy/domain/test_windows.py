from dataclasses import replace
from datetime import timedelta

from policy.domain.ids import DeviceId, HospitalId, PersonId
from policy.domain.windows import WindowState
from tests.support.facts import ALICE, CLOSES, DEVICE, DURING, OPENS, WINDOW, named

HOUR = timedelta(hours=1)


def test_occurrences_are_half_open() -> None:
    """A window is open at its first instant and closed at its last."""
    assert WINDOW.occurrence_at(OPENS) is not None
    assert WINDOW.occurrence_at(CLOSES) is None
    assert WINDOW.occurrence_at(CLOSES - timedelta(microseconds=1)) is not None
    assert WINDOW.occurrence_at(OPENS - timedelta(microseconds=1)) is None


def test_touching_occurrences_are_one_opening() -> None:
    """Round-the-clock windows do not close where one occurrence ends and the next starts."""
    window = named(
        WINDOW, "w", (OPENS, CLOSES), (CLOSES, CLOSES + HOUR), (CLOSES + 2 * HOUR, CLOSES + 3 * HOUR)
    )
    assert window.open_until(DURING) == CLOSES + HOUR
    assert window.open_until(CLOSES) == CLOSES + HOUR
    assert window.open_until(CLOSES + HOUR) is None


def test_order_of_occurrences_is_no_matter() -> None:
    """Occurrences may be stored in any order, and a short one inside a long one ends nothing."""
    window = named(WINDOW, "w", (CLOSES, CLOSES + HOUR), (OPENS + HOUR / 2, OPENS + HOUR), (OPENS, CLOSES))
    assert window.open_until(OPENS) == CLOSES + HOUR


def test_next_occurrence_is_the_first_to_come() -> None:
    """The next occurrence starts strictly later; there may be none."""
    window = named(WINDOW, "w", (CLOSES + 2 * HOUR, CLOSES + 3 * HOUR), (OPENS, CLOSES))
    following = window.next_occurrence(OPENS)
    assert following is not None
    assert following.start == CLOSES + 2 * HOUR
    assert window.next_occurrence(CLOSES + 2 * HOUR) is None


def test_concerns_by_id_or_by_group() -> None:
    """A window names a device by its id or by one of its groups, and a person by hers."""
    by_group = replace(WINDOW, devices=frozenset(), groups=frozenset({"scanners", "mri"}))
    assert WINDOW.concerns(ALICE.id, DEVICE)
    assert by_group.concerns(ALICE.id, DEVICE)
    assert not by_group.concerns(ALICE.id, replace(DEVICE, groups=frozenset({"pumps"})))
    assert not WINDOW.concerns(ALICE.id, replace(DEVICE, id=DeviceId("other"), groups=frozenset()))
    assert not WINDOW.concerns(PersonId("bob"), DEVICE)


def test_window_of_another_hospital_concerns_nobody_here() -> None:
    """A group of the same name in another hospital opens nothing."""
    elsewhere = replace(WINDOW, hospital_id=HospitalId("h2"), groups=frozenset({"scanners"}))
    assert not elsewhere.concerns(ALICE.id, DEVICE)


def test_approved_takes_two_people() -> None:
    """A window approved by nobody, by its requester, or cancelled since, is not approved."""
    assert WINDOW.approved
    assert not replace(WINDOW, approved_by=None).approved
    assert not replace(WINDOW, approved_by=WINDOW.requested_by).approved
    assert not replace(WINDOW, state=WindowState.PLANNED).approved
    assert not replace(WINDOW, state=WindowState.CANCELLED).approved
