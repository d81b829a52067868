"""Where a person may be expected to go, now or later. Nothing is granted here."""

from collections.abc import Iterable
from datetime import datetime

from policy.domain.access import Facts
from policy.domain.ways import Way
from policy.engine.case import Case


def ways(facts_list: Iterable[Facts], at: datetime) -> list[Way]:
    """Return what approved windows open at the aware instant *at* or after it, one facts a device, by name."""
    found = [way for facts in facts_list if (way := _of_device(facts, at)) is not None]
    return sorted(found, key=lambda way: way.device_name)


def _of_device(facts: Facts, at: datetime) -> Way | None:
    if facts.device is None or not facts.device.active:
        return None
    names = []
    for account in facts.accounts:
        case = Case.of_account(facts, account.name, at)
        open_now = case.chosen is not None and case.serves(case.chosen.intervention)
        if account.active and (open_now or case.next_opening is not None):
            names.append(account.name)
    return Way(device_name=facts.device.name, account_names=tuple(sorted(names))) if names else None
