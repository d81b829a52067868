"""The device's rules: known and in use (T1), in a zone (T2), its key pinned (T5), its account vaulted (T9).

And each of its weaknesses answered for (X09).
"""

from policy.domain.access import Finding
from policy.domain.derogations import covered_until, uncovered
from policy.domain.devices import AccountMethod, principal_of
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family, in gate order; of an unknown device there is but one."""
    if case.facts.device is None:
        return (failed("T1", "finding.T1.unknown", "next.T1.unknown", "administrator"),)
    return in_use(case), in_zone(case), key_pinned(case), account_vaulted(case), weaknesses_accepted(case)


def in_use(case: Case) -> Finding:
    """T1: the device is not isolated, and a live session still leads to where it was opened."""
    device = case.facts.device
    if device is None or not device.active:
        return failed("T1", "finding.T1.isolated", "next.T1.isolated", "security")
    grant = case.grant
    if grant is not None and (device.address, device.port) != (grant.address, grant.port):
        return failed("T1", "finding.T1.moved", "next.T1.moved", "technician", device=device.name)
    return held("T1", "finding.T1.in_use", device=device.name)


def in_zone(case: Case) -> Finding:
    """T2: the device stands in an admin-network zone, which says from which address it is dialled."""
    device, zone, grant = case.facts.device, case.facts.zone, case.grant
    if device is None or zone is None or (zone.id, zone.hospital_id) != (device.zone_id, device.hospital_id):
        return failed("T2", "finding.T2.none", "next.T2.none", "administrator")
    if grant is not None and zone.source_address != grant.source_address:
        return failed("T2", "finding.T2.moved", "next.T1.moved", "technician", zone=zone.name)
    return held("T2", "finding.T2.known", zone=zone.name)


def key_pinned(case: Case) -> Finding:
    """T5: a host key was compared and pinned, and none that a live session trusted was unpinned since."""
    device, grant = case.facts.device, case.grant
    if device is None or not device.host_keys:
        return failed("T5", "finding.T5.unpinned", "next.T5.unpinned", "administrator")
    if grant is not None and not set(grant.host_keys) <= set(device.host_keys):
        return failed("T5", "finding.T5.withdrawn", "next.T5.withdrawn", "administrator")
    return held("T5", "finding.T5.pinned", count=len(device.host_keys))


def account_vaulted(case: Case) -> Finding:
    """T9: one dedicated account is meant, it exists, is active, and its secret is in the vault.

    An account that trusts certificates has no secret that another device could have too: what is its own is the
    principal, which names the device, and each session's key.
    """
    device = case.facts.device
    if device is None or not case.account_names:
        return failed("T9", "finding.T9.none", "next.T9.none", "administrator")
    if case.grant is None and len(case.account_names) > 1:
        return failed(
            "T9",
            "finding.T9.ambiguous",
            "next.T9.ambiguous",
            "technician",
            device=device.name,
            accounts=case.account_names,
            login=f"{case.facts.person.login}+{device.name}+{case.account_names[0]}",
        )
    account, name = case.account, case.account_names[0]
    if account is None:
        return failed("T9", "finding.T9.unknown", "next.T9.unknown", "technician", account=name)
    if not account.active:
        return failed("T9", "finding.T9.suspended", "next.T9.suspended", "administrator", account=name)
    by_certificate = account.method is AccountMethod.CERTIFICATE
    if not account.vaulted and by_certificate:
        return failed("T9", "finding.T9.uncertified", "next.T9.uncertified", "administrator", account=name)
    if not account.vaulted:
        return failed("T9", "finding.T9.unvaulted", "next.T9.unvaulted", "administrator", account=name)
    if by_certificate:
        return held("T9", "finding.T9.certified", account=name, principal=principal_of(name, device.name))
    return held("T9", "finding.T9.vaulted", account=name)


def weaknesses_accepted(case: Case) -> Finding:
    """X09: what the device is too old for is covered by a derogation in force, each weakness by one."""
    device, derogations = case.facts.device, case.facts.derogations
    weaknesses = () if device is None else device.algorithms.weaknesses
    open_ones = uncovered(weaknesses, derogations, case.at)
    if device is not None and open_ones:
        once = any(one.weakness in open_ones for one in derogations)
        key = "finding.X09.over" if once else "finding.X09.undecided"
        return failed("X09", key, "next.X09.decide", "security", device=device.name, weaknesses=open_ones)
    until = covered_until(weaknesses, derogations, case.at)
    if until is None:
        return held("X09", "finding.X09.sound")
    return held("X09", "finding.X09.accepted", weaknesses=weaknesses, until=until)
