"""Lock-out rules, on lists of attempts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.authn.lockout import Lockout, LockoutSettings, canonical_source, origin_of
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.ids import HospitalId, new_id
from policy.errors import InvalidInput

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
SITE = "192.0.2.10"
STRANGER = "203.0.113.9"
RULES = Lockout(LockoutSettings())


def tried(
    seconds: float,
    login: str = "alice",
    source: str = SITE,
    outcome: AttemptOutcome = AttemptOutcome.FAILURE,
) -> Attempt:
    """One attempt, *seconds* after the start."""
    return Attempt(
        id=new_id(),
        hospital_id=HospitalId("h"),
        login=login,
        source=source,
        origin=origin_of(source),
        at=START + timedelta(seconds=seconds),
        outcome=outcome,
        kind=AttemptKind.PASSWORD_AND_CODE,
    )


def declared(source: str) -> bool:
    """The supplier's site is 192.0.2.0/24."""
    return source.startswith("192.0.2.")


def until(attempts: list[Attempt], seconds: float, login: str = "alice", source: str = SITE) -> float | None:
    """Seconds after the start until which *login* from *source* is locked, asked *seconds* after the start."""
    at = START + timedelta(seconds=seconds)
    found = RULES.locked_until(attempts, login, origin_of(source), at, declared)
    return None if found is None else (found - START).total_seconds()


def test_three_failures_lock_the_pair_for_a_minute() -> None:
    """Two failures lock nothing; the third locks for 60 s from itself, half-open."""
    failures = [tried(0), tried(5), tried(9)]
    assert until(failures[:2], 9) is None
    assert until(failures, 9) == 69
    assert until(failures, 68.999) == 69
    assert until(failures, 69) is None


def test_each_further_failure_doubles_the_lock_up_to_an_hour() -> None:
    """60, 120, 240 … seconds, never more than 3600."""
    failures = [tried(0), tried(0), tried(0)]
    locks = []
    for _ in range(10):
        last = (failures[-1].at - START).total_seconds()
        end = until(failures, last)
        assert end is not None
        locks.append(end - last)
        failures.append(tried(end))
    assert locks == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


def test_thousands_of_failures_do_not_overflow() -> None:
    """The doubling stops long before the calendar does."""
    assert until([tried(0, source=STRANGER)] * 5000, 1, source=STRANGER) == 3600


def test_a_success_of_the_pair_resets_that_pair() -> None:
    """Counting starts anew after the right factors from the same source."""
    attempts = [tried(0), tried(1), tried(2, outcome=AttemptOutcome.SUCCESS), tried(3), tried(4)]
    assert until(attempts, 4) is None
    assert until([*attempts, tried(5)], 5) == 65


def test_a_success_from_elsewhere_does_not_reset_the_pair() -> None:
    """Alice logging in at home gives whoever guesses at her login no new tries."""
    guessing = [tried(0, source=STRANGER), tried(1, source=STRANGER)]
    attempts = [*guessing, tried(2, outcome=AttemptOutcome.SUCCESS), tried(3, source=STRANGER)]
    assert until(attempts, 3, source=STRANGER) == 63
    assert until(attempts, 3) is None


def test_somebody_elses_success_from_the_same_source_resets_nothing() -> None:
    """An attacker with an account of her own cannot wash away her failures on another's."""
    attempts = [tried(0), tried(1), tried(2), tried(3, login="mallory", outcome=AttemptOutcome.SUCCESS)]
    assert until(attempts, 3) == 62


def test_a_stranger_cannot_lock_a_person_out_of_her_site() -> None:
    """However many failures from undeclared addresses, she still logs in from her own."""
    attempts = [tried(n, source=f"198.51.100.{n}") for n in range(250)]
    attempts += [tried(n, source=STRANGER) for n in range(250)]
    assert until(attempts, 250) is None
    assert until(attempts, 250, source=STRANGER) == 249 + 3600


def test_failures_from_declared_addresses_lock_the_person_from_everywhere() -> None:
    """Ten failures spread over her supplier's addresses lock her from any address, and colleagues not."""
    attempts = [tried(n, source=f"192.0.2.{n}") for n in range(10)]
    assert until(attempts[:9], 9, source=STRANGER) is None
    assert until(attempts, 9, source=STRANGER) == 69
    assert until(attempts, 9, source="192.0.2.200") == 69
    assert until(attempts, 9, login="bob", source="192.0.2.200") is None
    assert until([*attempts, tried(100, source="192.0.2.77")], 100, source=STRANGER) == 220


def test_ten_names_from_one_source_lock_the_source() -> None:
    """Failures on ten names within ten minutes lock the address for an eleventh; another address goes on."""
    attempts = [tried(n, login=f"name{n}", source=STRANGER) for n in range(10)]
    assert until(attempts[:9], 9, login="zoe", source=STRANGER) is None
    assert until(attempts, 9, login="zoe", source=STRANGER) == 69
    assert until(attempts, 9, login="name3", source=SITE) is None


def test_many_failures_on_one_name_do_not_lock_the_source() -> None:
    """A colleague behind the same address is not locked out by one person's bad day."""
    attempts = [tried(n) for n in range(100)]
    assert until(attempts, 100, login="bob") is None


def test_names_spread_over_more_than_the_period_do_not_lock_the_source() -> None:
    """Ten mistakes of ten people over an hour are a normal morning."""
    attempts = [tried(n * 100, login=f"name{n}") for n in range(10)]
    assert until(attempts, 900, login="zoe") is None


def test_a_source_lock_grows_while_the_names_go_on() -> None:
    """Each further failure over many names doubles the lock of the source."""
    attempts = [tried(n, login=f"name{n}", source=STRANGER) for n in range(10)]
    attempts.append(tried(70, login="name11", source=STRANGER))
    assert until(attempts, 70, login="zoe", source=STRANGER) == 190


def test_people_who_succeeded_in_the_end_do_not_count_against_their_source() -> None:
    """Ten colleagues who mistyped once and then logged in lock nobody."""
    attempts = []
    for n in range(20):
        attempts += [
            tried(n, login=f"name{n}"),
            tried(n + 0.5, login=f"name{n}", outcome=AttemptOutcome.SUCCESS),
        ]
    assert until(attempts, 21, login="zoe") is None


def test_pending_attempts_count_against_their_pair_at_once() -> None:
    """Three tries under way leave no room for a fourth."""
    assert until([tried(0, outcome=AttemptOutcome.PENDING)] * 3, 0) == 60


def test_fresh_pending_attempts_do_not_count_against_the_source() -> None:
    """Ten colleagues who log in within one second do not lock each other out; abandoned ones count after 60 s."""
    attempts = [tried(0, login=f"name{n}", outcome=AttemptOutcome.PENDING) for n in range(10)]
    assert until(attempts, 59, login="zoe") is None
    late = [tried(40, login=f"name{n}", outcome=AttemptOutcome.PENDING) for n in range(10)]
    assert until([*late, tried(99, login="name10")], 100, login="zoe") == 99 + 120


def test_order_of_insertion_decides_when_the_clock_steps_back() -> None:
    """A success written after failures resets them even if its time stamp is earlier."""
    attempts = [tried(100), tried(101), tried(102), tried(-3600, outcome=AttemptOutcome.SUCCESS)]
    assert until(attempts, 103) is None


def test_an_ipv6_subscriber_is_one_source() -> None:
    """Moving inside a /64 does not give new tries; another /64 is another source."""
    attempts = [tried(n, source=f"2001:db8:0:1::{n:x}") for n in range(3)]
    assert until(attempts, 3, source="2001:db8:0:1:ffff::1") == 62
    assert until(attempts, 3, source="2001:db8:0:2::1") is None


@pytest.mark.parametrize(
    ("typed", "canonical", "origin"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("2001:DB8::0:1", "2001:db8::1", "2001:db8::/64"),
    ],
)
def test_a_source_has_one_spelling(typed: str, canonical: str, origin: str) -> None:
    """IPv4 inside IPv6, zones and capitals do not make another source."""
    assert canonical_source(typed) == canonical
    assert origin_of(typed) == origin


@pytest.mark.parametrize("source", ["", "localhost", "192.0.2.1:22", "192.0.2.0/24", "192.0.2.1 ", "\0"])
def test_what_is_no_address_is_refused(source: str) -> None:
    """Names, ports and networks are not sources."""
    with pytest.raises(InvalidInput):
        origin_of(source)


@given(
    noise=st.lists(
        st.builds(
            tried,
            st.integers(0, 3600),
            st.sampled_from(["alice", "bob", "nobody"]),
            st.sampled_from([STRANGER, "198.51.100.1", "198.51.100.2", "2001:db8:9::1"]),
            st.sampled_from(AttemptOutcome),
        ),
        max_size=60,
    ),
    hers=st.lists(st.builds(tried, st.integers(0, 3600), st.just("alice"), st.just(SITE)), max_size=4),
)
def test_nothing_a_stranger_does_changes_when_alice_may_log_in_at_her_site(
    noise: list[Attempt], hers: list[Attempt]
) -> None:
    """Whatever comes from undeclared addresses, in whatever order, before or after her own mistakes."""
    alone = until(hers, 3600)
    assert until(noise + hers, 3600) == alone
    assert until(hers + noise, 3600) == alone


@given(
    attempts=st.lists(
        st.builds(
            tried,
            st.integers(0, 3600),
            st.sampled_from(["alice", "bob", "carol"]),
            st.sampled_from([SITE, STRANGER, "192.0.2.11"]),
            st.sampled_from(AttemptOutcome),
        ),
        max_size=60,
    )
)
def test_a_further_failure_never_lets_anybody_in_sooner(attempts: list[Attempt]) -> None:
    """Failing once more leaves every lock as long as it was, or longer."""
    before = until(attempts, 3600) or 0
    after = until([*attempts, tried(3600)], 3600) or 0
    assert after >= before
