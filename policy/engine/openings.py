"""What is open now for a person: the menu's lines."""

from collections.abc import Iterable
from datetime import datetime

from policy.domain.access import Facts, Opening
from policy.engine.case import Case
from policy.engine.rules import device, person, supplier, window


def openings(facts_list: Iterable[Facts], at: datetime) -> list[Opening]:
    """Return what is open at the aware instant *at*, one facts a device, by device then account name.

    What only the log-in shows (source address, factors) and the number of sessions are left to the decision.
    """
    found = [opening for facts in facts_list for opening in _of_device(facts, at)]
    return sorted(found, key=lambda opening: (opening.device_name, opening.account_name))


def _of_device(facts: Facts, at: datetime) -> list[Opening]:
    found = []
    for account in facts.accounts:
        case = Case.of_account(facts, account.name, at)
        chosen = case.chosen
        findings = (
            supplier.active(case),
            person.identity(case),
            *device.findings(case),
            *window.findings(case),
        )
        if facts.device is not None and chosen is not None and all(finding.held for finding in findings):
            found.append(
                Opening(
                    device_name=facts.device.name,
                    port=facts.device.port,
                    account_name=account.name,
                    until=chosen.end,
                    purpose=chosen.window.purpose,
                    channels=chosen.window.channels,
                    forwards=chosen.window.forwards,
                )
            )
    return found
