"""Lock-out after failed log-ins: who may not try again, and until when. Pure: attempts in, an instant out.

A *pair* is one login from one origin. Its *outstanding* failures are those since its last success; what
somebody else got right or wrong changes nothing for it. Three rules, the longest lock wins:

- pair: 3 outstanding failures lock the pair for 60 s, each further one twice as long, up to an hour;
- person: 10 outstanding failures from her supplier's declared addresses, taken together, lock her from
  everywhere, growing likewise. Failures from anywhere else never do: a stranger who knows a login
  cannot keep its owner out;
- source: failures over 10 names within 10 minutes lock the origin for every name, growing likewise.

A pending attempt is one whose outcome is not written yet: it counts against its own pair and person at
once, or ten tries at a time would all be heard; against the source only after 60 s, or ten colleagues
behind one address would lock each other out at eight o'clock. After 60 s nobody is coming back to settle it, and it
is a failure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, Self

from policy.domain.addresses import read_address
from policy.domain.attempts import Attempt, AttemptOutcome
from policy.errors import InvalidInput
from policy.settings import PolicySettings

PENDING_LIMIT: Final = timedelta(seconds=60)
_IPV6_PREFIX: Final = 64  # the network one subscriber gets (RFC 6177); a host moves inside it at will


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutSettings:
    """Thresholds, and how locks grow: ``first`` doubles with each further failure, up to ``longest``.

    ``memory`` is how far back attempts are looked at; it must exceed ``longest``.
    """

    pair_failures: int = 3
    person_failures: int = 10
    source_names: int = 10
    source_period: timedelta = timedelta(minutes=10)
    first: timedelta = timedelta(seconds=60)
    longest: timedelta = timedelta(hours=1)
    memory: timedelta = timedelta(hours=24)

    @classmethod
    def of(cls, settings: PolicySettings) -> Self:
        """Take what the composition root was told."""
        return cls(
            pair_failures=settings.lockout_failures,
            source_names=settings.lockout_names,
            source_period=settings.lockout_names_period,
            first=settings.lockout_first,
            longest=settings.lockout_cap,
            memory=max(timedelta(hours=24), 2 * settings.lockout_cap, 2 * settings.lockout_names_period),
        )

    def lock(self, excess: int) -> timedelta:
        """Return how long the lock is that follows *excess* failures beyond the threshold (0: just reached)."""
        doublings = min(excess, 20)  # far beyond any cap, and no overflow
        return min(self.first * (1 << doublings), self.longest)


@dataclass(frozen=True, slots=True)
class Lockout:
    """The lock-out rules under given settings."""

    settings: LockoutSettings

    def locked_until(
        self,
        attempts: Sequence[Attempt],
        login: str,
        origin: str,
        at: datetime,
        declared: Callable[[str], bool],
    ) -> datetime | None:
        """Return the instant until which *login* from *origin* is not heard, or None if it is at *at*.

        *attempts* are those on the login or from the origin within ``settings.memory``, in the order they
        were made; *declared* tells whether a source address is one of the person's supplier's.
        """
        outstanding = _outstanding(attempts)
        pair = [each for each in outstanding if each.login == login and each.origin == origin]
        person = [each for each in outstanding if each.login == login and declared(each.source)]
        source = [each for each in outstanding if each.origin == origin and _has_failed(each, at)]
        locks = (
            self._after(pair, self.settings.pair_failures),
            self._after(person, self.settings.person_failures),
            self._after_names(source),
        )
        return max((until for until in locks if until is not None and until > at), default=None)

    def _after(self, failures: Sequence[Attempt], threshold: int) -> datetime | None:
        if len(failures) < threshold:
            return None
        return max(each.at for each in failures) + self.settings.lock(len(failures) - threshold)

    def _after_names(self, failures: Sequence[Attempt]) -> datetime | None:
        triggers = [
            last
            for place, last in enumerate(failures)
            if self._names(failures[: place + 1], last.at) >= self.settings.source_names
        ]
        if not triggers:
            return None
        return max(each.at for each in triggers) + self.settings.lock(len(triggers) - 1)

    def _names(self, failures: Iterable[Attempt], at: datetime) -> int:
        start = at - self.settings.source_period
        return len({each.login for each in failures if start < each.at <= at})


def canonical_source(source: str) -> str:
    """Return the IP literal *source* in its one spelling, IPv4 out of IPv4-mapped IPv6, without a zone.

    Raises InvalidInput for anything else.
    """
    return str(_address(source))


def origin_of(source: str) -> str:
    """Return what counts as one source: the IPv4 address, or the IPv6 /64; raises InvalidInput for no IP literal."""
    address = _address(source)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)


def _address(source: str) -> IPv4Address | IPv6Address:
    try:
        return read_address(source)
    except ValueError:
        raise InvalidInput("source", "must be an IP address literal") from None


def _outstanding(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts no later success of their pair wiped out, in their order."""
    last_success = {
        (each.login, each.origin): place
        for place, each in enumerate(attempts)
        if each.outcome is AttemptOutcome.SUCCESS
    }
    return [
        each for place, each in enumerate(attempts) if place > last_success.get((each.login, each.origin), -1)
    ]


def _has_failed(attempt: Attempt, at: datetime) -> bool:
    return attempt.outcome is AttemptOutcome.FAILURE or at - attempt.at >= PENDING_LIMIT
