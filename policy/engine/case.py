"""What the rules look at: one person, one device, one instant, and the window that may answer for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from policy.domain.access import AccessRequest, Facts, Grant, TraceKeeping
from policy.domain.devices import DedicatedAccount
from policy.domain.factors import Factor, Level
from policy.domain.ids import AccountId
from policy.domain.interventions import Intervention
from policy.domain.windows import Occurrence, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A window open at the instant asked about, with what its session would hang on. ``end`` is exclusive."""

    window: Window
    occurrence: Occurrence
    end: datetime
    intervention: Intervention | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question to the rules; everything derived from it is computed once.

    ``source`` is an IP literal; ``grant`` is the live grant that is asked again, None for a new request.
    """

    facts: Facts
    at: datetime
    account_name: str | None
    source: str
    factors: frozenset[Factor]
    grant: Grant | None = None
    proved_key: bytes | None = None
    traces: TraceKeeping | None = None

    @classmethod
    def of_request(cls, request: AccessRequest, facts: Facts, at: datetime) -> "Case":
        """Return the case of a new request.

        Raises ValueError where *facts* answer another question, or *at* is naive: no rule could be trusted.
        """
        _check(facts, at)
        if request.hospital_id != facts.hospital.id or request.person_id != facts.person.id:
            raise ValueError("these facts are about another hospital or person")
        if facts.device is not None and facts.device.name != request.device_name:
            raise ValueError("these facts are about another device")
        return cls(
            facts=facts,
            at=at.astimezone(UTC),
            account_name=request.account_name,
            source=request.source,
            factors=request.factors,
            proved_key=request.proved_key,
            traces=request.traces,
        )

    @classmethod
    def of_grant(cls, grant: Grant, facts: Facts, at: datetime) -> "Case":
        """Return the case of a live *grant* that is asked again.

        Raises ValueError where *facts* answer another question, or *at* is naive.
        """
        _check(facts, at)
        if grant.hospital_id != facts.hospital.id or grant.person_id != facts.person.id:
            raise ValueError("these facts are about another hospital or person")
        if facts.device is not None and facts.device.id != grant.device_id:
            raise ValueError("these facts are about another device")
        return cls(
            facts=facts,
            at=at.astimezone(UTC),
            account_name=grant.account_name,
            source=grant.source,
            factors=grant.factors,
            grant=grant,
            proved_key=grant.proved_key,
        )

    @classmethod
    def of_account(cls, facts: Facts, account_name: str, at: datetime) -> "Case":
        """Return the case of one account of the device in *facts*, before anybody asked for it.

        Raises ValueError where *facts* contradict themselves, or *at* is naive.
        """
        _check(facts, at)
        return cls(
            facts=facts, at=at.astimezone(UTC), account_name=account_name, source="", factors=frozenset()
        )

    @cached_property
    def level(self) -> Level | None:
        """What the log-in reached: of a live session when it was granted, else by the hospital's present table."""
        return self.facts.hospital.factors.level_of(self.factors) if self.grant is None else self.grant.level

    def suffices(self, demanded: Level) -> bool:
        """Tell whether the log-in reached the level *demanded*."""
        return self.level is not None and self.level.rank >= demanded.rank

    @cached_property
    def naming(self) -> tuple[Window, ...]:
        """The windows that name the person and the device, whatever their state, by id."""
        device = self.facts.device
        if device is None:
            return ()
        named = (window for window in self.facts.windows if window.concerns(self.facts.person.id, device))
        return tuple(sorted(named, key=lambda window: window.id))

    @cached_property
    def approved(self) -> tuple[Window, ...]:
        """Those of ``naming`` that are approved, by somebody other than their requester."""
        return tuple(window for window in self.naming if window.approved)

    @cached_property
    def accounts(self) -> tuple[DedicatedAccount, ...]:
        """The device's dedicated accounts, by name."""
        device = self.facts.device
        if device is None:
            return ()
        return tuple(
            sorted(
                (
                    account
                    for account in self.facts.accounts
                    if account.device_id == device.id and account.hospital_id == device.hospital_id
                ),
                key=lambda account: account.name,
            )
        )

    @cached_property
    def account_names(self) -> tuple[str, ...]:
        """The account names that the person may mean: one, unless she must say which.

        What she typed; else what the windows open now allow; else what her other windows allow; else whatever
        the device has. None at all where the device has no account.
        """
        if self.account_name is not None:
            return (self.account_name,)
        for windows in (self._open_windows, self.approved, self.naming):
            names = self._names_allowed(windows)
            if names:
                return names
        return self._all_names

    @cached_property
    def account(self) -> DedicatedAccount | None:
        """The dedicated account that a session would use, or None where none, or more than one, is meant."""
        if self.grant is not None:
            return self._account_by_id(self.grant.account_id)
        if len(self.account_names) != 1:
            return None
        return next((account for account in self.accounts if account.name == self.account_names[0]), None)

    @cached_property
    def open_now(self) -> tuple[Candidate, ...]:
        """The approved windows open at the instant, for whatever account: the one that ends last first.

        Ties are broken by the window's id, so that every node picks the same one.
        """
        candidates = [
            Candidate(
                window=window,
                occurrence=occurrence,
                end=end,
                intervention=self._intervention_of(window),
            )
            for window in self._open_windows
            if (occurrence := window.occurrence_at(self.at)) is not None
            and (end := window.open_until(self.at)) is not None
        ]
        candidates.sort(key=lambda one: one.end, reverse=True)
        return tuple(candidates)

    @cached_property
    def chosen(self) -> Candidate | None:
        """The open window that a session would run under, or None.

        A live grant runs under its own window only. A new one takes, among the windows that allow its account,
        one whose intervention can be worked on before one whose intervention cannot, then one whose level the
        log-in reached, then the one that ends last. Its channels are that window's alone: rights of several windows never add up. Where no account is
        meant, or several are, it is the window that speaks for the others; rule T9 refuses the session.
        """
        if self.grant is not None:
            return next((one for one in self.open_now if one.window.id == self.grant.window_id), None)
        names = self.account_names
        fitting = [
            one
            for one in self.open_now
            if not names or any(one.window.allows_account(name) for name in names)
        ]
        serving = [one for one in fitting if self.serves(one.intervention)] or fitting
        return next((one for one in serving if self.suffices(one.window.level)), next(iter(serving), None))

    def serves(self, intervention: Intervention | None) -> bool:
        """Tell whether *intervention* can be worked on, and by this person's supplier."""
        return (
            intervention is not None
            and intervention.workable
            and intervention.supplier_id == self.facts.person.supplier_id
        )

    @cached_property
    def next_opening(self) -> tuple[datetime, datetime] | None:
        """The next ``[start, end)`` of an approved window that could serve, or None."""
        coming = [
            (occurrence.start, window.open_until(occurrence.start) or occurrence.end)
            for window in self.approved
            if self.serves(self._intervention_of(window))
            and (self.account_name is None or window.allows_account(self.account_name))
            and (occurrence := window.next_occurrence(window.open_until(self.at) or self.at)) is not None
        ]
        return min(coming, default=None)

    @cached_property
    def _open_windows(self) -> tuple[Window, ...]:
        return tuple(window for window in self.approved if window.occurrence_at(self.at) is not None)

    @cached_property
    def _all_names(self) -> tuple[str, ...]:
        return tuple(account.name for account in self.accounts if account.active)

    def _names_allowed(self, windows: Sequence[Window]) -> tuple[str, ...]:
        names = {window.account for window in windows if window.account is not None}
        if any(window.account is None for window in windows):
            names.update(self._all_names)
        return tuple(sorted(names))

    def _account_by_id(self, account_id: AccountId) -> DedicatedAccount | None:
        return next((account for account in self.accounts if account.id == account_id), None)

    def _intervention_of(self, window: Window) -> Intervention | None:
        intervention = self.facts.interventions.get(window.intervention_id)
        if intervention is None or intervention.hospital_id != window.hospital_id:
            return None
        return intervention


def _check(facts: Facts, at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError("an instant must be aware")
    hospital = facts.hospital.id
    others = (facts.person, facts.supplier, facts.device)
    if any(row is not None and row.hospital_id != hospital for row in others):
        raise ValueError("these facts mix hospitals")
    if facts.supplier is not None and facts.supplier.id != facts.person.supplier_id:
        raise ValueError("these facts are about another supplier")
