"""What commands say, in the caller's language and the hospital's time."""

from collections.abc import Mapping, Sequence

from gateway.server.commands.result import REFUSED, CommandResult, as_json
from gateway.session.remedies import refused_lines
from policy.domain.access import Finding
from policy.domain.hospitals import Hospital
from policy.domain.people import Person
from policy.i18n import Catalog, finding_lines, next_step, rule_label, sentence, translate


class Voice:
    """The sentences of the gateway for one hospital."""

    def __init__(self, hospital: Hospital, catalog: Catalog) -> None:
        """Speak for *hospital* by *catalog* (the gateway's)."""
        self.hospital = hospital
        self.catalog = catalog

    def say(self, person: Person, key: str, **arguments: object) -> str:
        """Return the sentence *key* for *person*."""
        return self.catalog.translate(key, person.language, timezone=self.hospital.timezone, **arguments)

    def knows(self, key: str) -> bool:
        """Tell whether there is such a sentence."""
        return self.catalog.knows(key)

    def contact(self, person: Person) -> str:
        """Return the line that says whom to call (S43)."""
        return self.say(person, "contact", contact=self.hospital.security_contact)

    def refused(self, person: Person, key: str, **arguments: object) -> list[str]:
        """Return a refusal of the gateway's own: its rule, what to do, whose move it is, whom to call."""
        zone = self.hospital.timezone
        return [*refused_lines(key, self.catalog, person.language, zone, **arguments), self.contact(person)]

    def fields(self, person: Person, finding: Finding) -> Mapping[str, object]:
        """Return *finding* for a script."""
        zone = self.hospital.timezone
        return {
            "code": finding.code,
            "held": finding.held,
            "sentence": sentence(finding, person.language, zone),
            "next_step": next_step(finding, person.language, zone) or None,
        }

    def refusal(self, person: Person, findings: Sequence[Finding], *, json: bool) -> CommandResult:
        """Return why a command was refused: rules, what is missing, whose move it is, whom to call."""
        if json:
            contact = self.hospital.security_contact
            return as_json(
                {"refused": [self.fields(person, finding) for finding in findings], "contact": contact},
                REFUSED,
            )
        codes = dict.fromkeys(rule_label(finding.code) for finding in findings)
        lines = [translate("refusal.headline", person.language, rules=", ".join(codes))]
        for finding in findings:
            lines += finding_lines(rule_label(finding.code), finding, person.language, self.hospital.timezone)
        lines.append(self.contact(person))
        return CommandResult(REFUSED, err="".join(f"{line}\n" for line in lines))
