"""Self-audits that were made before a test begins, as the journal keeps them."""

from datetime import datetime, timedelta

from admin_api.selfaudit.history import MADE, facts
from admin_api.selfaudit.report import CheckResult, Outcome, PartResult, Report
from policy.domain.ids import new_id
from recorder.seal.signing import SigningKey
from tests.support.api_house import House


def check(finding: str, level: Outcome, **arguments: object) -> CheckResult:
    """One thing looked at; its sentences are those of a version that nobody has."""
    subject = finding.rpartition(".")[0]
    remedy = "" if level is Outcome.GOOD else f"mend {finding}"
    return CheckResult(
        check=subject,
        finding=finding,
        level=level,
        arguments=arguments,
        subject=f"subject of {finding}",
        sentence=f"sentence of {finding}",
        remedy=remedy,
    )


EXPOSED = check("doctor.exposure.more", Outcome.FAILED, listeners="0.0.0.0:6379/tcp")


def report(house: House, *checks: CheckResult, at: datetime | None = None, node: str = "node1") -> Report:
    """A report of one part with these *checks*, and one that is good."""
    made = at or house.clock.now()
    return Report(
        id=new_id(),
        hospital_id=house.world.id,
        node=node,
        machine="bastion.hospital.example",
        occasion="nightly",
        made_at=made - timedelta(seconds=9),
        finished_at=made,
        ecluse="0.1.0",
        parts=(
            PartResult(part="exposure", checks=(check("doctor.clock.good", Outcome.GOOD), *checks)),
            PartResult(part="clock", checks=(check("doctor.clock.good", Outcome.GOOD, milliseconds="3"),)),
        ),
    )


def keep(house: House, made: Report, *, key: SigningKey | None = None, before: Report | None = None) -> bytes:
    """Write *made* into the journal as the command does, signed by the house's key or by *key*; return the document."""
    document = made.signed(key or house.proofs.notary.key)
    house.run(house.proofs.note(MADE, "ecluse", facts(made, document, before)))
    return document
