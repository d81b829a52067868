"""Every sentence the gateway says, in the person's language, or in both before she is known."""

import unicodedata
from collections.abc import Sequence

from gateway.session.forwarding import told
from gateway.session.reasons import EndReason
from gateway.session.remedies import refused_lines, step_line
from gateway.session.transfer.command import Refused
from policy.domain.access import Denial, Grant, Obligations
from policy.domain.hospitals import Hospital
from policy.domain.people import Language
from policy.domain.sessions import Earlier
from policy.domain.windows import OUTAGE_GRACE
from policy.i18n import Catalog, finding_lines, load, refusal, rule_label


class Wording:
    """The gateway's sentences for one hospital."""

    def __init__(self, hospital: Hospital, catalog: Catalog | None = None) -> None:
        """Speak for *hospital*: its name, its time zone, its security referent."""
        self.hospital = hospital
        self._catalog = catalog or load("gateway")

    def say(self, key: str, language: Language, **arguments: object) -> str:
        """Return the sentence *key*; instants are written in the hospital's time zone."""
        return self._catalog.translate(key, language, timezone=self.hospital.timezone, **arguments)

    def both(self, key: str, separator: str, **arguments: object) -> str:
        """Return the sentence *key* in French, then in English."""
        return separator.join(
            self.say(key, language, **arguments) for language in (Language.FRENCH, Language.ENGLISH)
        )

    # --- before log-in ------------------------------------------------------------------------------------

    def legal(self) -> str:
        """The legal banner."""
        text = self.both(
            "banner.legal", "\n\n", hospital=self.hospital.name, contact=self.hospital.security_contact
        )
        return text.replace("\n", "\r\n") + "\r\n\r\n"

    def unfit(self, reason: str) -> str:
        """Why a person's own key, which she proved, does not serve now, and whom to call."""
        text = "\n".join(
            (
                self.both(f"login.{reason}", "\n"),
                self.both("contact", "\n", contact=self.hospital.security_contact),
            )
        )
        return text.replace("\n", "\r\n") + "\r\n"

    def instruction(self, *, again: bool) -> str:
        """What stands over a log-in dialogue; *again*: the one before it failed, for whatever reason (invariant 7)."""
        return plain(self.both("prompt.refused" if again else "prompt.once", "\n"))

    def prompts(self, *, code_only: bool) -> list[tuple[str, bool]]:
        """The prompts of a log-in dialogue, with whether each echoes."""
        code = (self.both("prompt.code", " / ") + ": ", True)
        return [code] if code_only else [(self.both("prompt.password", " / ") + ": ", False), code]

    # --- after log-in -------------------------------------------------------------------------------------

    def welcome(self, grant: Grant, obligations: Obligations, earlier: Earlier | None = None) -> str:
        """What a person reads on her terminal before the device's first line; *earlier*: what came before."""
        language = grant.language
        lines = [
            self.say(
                "welcome.device",
                language,
                person=grant.person_name,
                device=grant.device_name,
                account=grant.account_name,
                end=obligations.hard_end,
            ),
            self.say("welcome.purpose", language, purpose=grant.purpose),
            self.say("welcome.recorded", language, idle=obligations.idle_limit),
        ]
        grace = obligations.outage_grace
        if grace is not None and grace > OUTAGE_GRACE:
            lines.append(self.say("welcome.grace", language, grace=grace))
        if obligations.forwards:
            ports = [forward.shown for forward in obligations.forwards]
            example = obligations.forwards[0].port
            lines.insert(2, self.say("welcome.ports", language, ports=ports, port=example))
        if earlier is not None:
            lines.insert(2, self._again(earlier, language))
        return self._with_contact("\n".join(lines), language)

    def _again(self, earlier: Earlier, language: Language) -> str:
        if earlier.closed_at is None:
            return self.say("welcome.beside", language, number=earlier.number)
        key = f"earlier.{earlier.end_reason}"
        why = self.say(key if self._catalog.knows(key) else "earlier.failure", language)
        return self.say("welcome.again", language, number=earlier.number, at=earlier.closed_at, why=why)

    def denied(self, denial: Denial, language: Language) -> str:
        """Policy's refusal."""
        return "\n".join(refusal(denial, language, self.hospital.timezone, self.hospital.security_contact))

    def refused(self, key: str, language: Language, **arguments: object) -> str:
        """Another refusal: its rule, what to do, whose move it is, and whom to call."""
        lines = refused_lines(key, self._catalog, language, self.hospital.timezone, **arguments)
        return self._with_contact("\n".join(lines), language)

    def channel_refused(self, refused: Refused, language: Language) -> str:
        """Why a channel or request does not pass, what to do, whose move it is, and whom to call."""
        headline = told(refused, self._catalog, language)
        step = step_line(refused.key, self._catalog, language, self.hospital.timezone)
        return self._with_contact("\n".join(filter(None, (headline, step))), language)

    def ended(self, reason: EndReason, grant: Grant, denial: Denial | None = None) -> str:
        """Why a session ends; where policy ended it, the rules' own sentences."""
        if reason in {EndReason.LEFT, EndReason.LOST}:
            return ""
        language = grant.language
        failed = denial.failed if denial is not None else ()
        cuts = (str(finding.arguments.get("reason", "")) for finding in failed)
        zone = self.hospital.timezone
        told_of = () if reason is EndReason.CUT else failed
        lines = refused_lines(
            f"end.{reason.value}",
            self._catalog,
            language,
            zone,
            limit=grant.obligations.idle_limit,
            device=grant.device_name,
            reason=next((cut for cut in cuts if cut), ""),
        )
        if told_of:  # the rules' own steps say more than the general one
            del lines[1:]
        for finding in told_of:
            lines += finding_lines(rule_label(finding.code), finding, language, zone)
        return self._with_contact("\n".join(lines), language)

    def _with_contact(self, text: str, language: Language) -> str:
        return f"{text}\n{self.say('contact', language, contact=self.hospital.security_contact)}"


def plain(text: str) -> str:
    r"""Return *text* in ASCII, accents left out.

    For what ssh(1) writes to its log and not to the screen: the instruction of a dialogue, the reason of a
    refused channel and of a disconnection. Whatever is no ASCII there reaches the person as ``\303\251``.
    """
    return unicodedata.normalize("NFKD", text.replace("’", "'")).encode("ascii", "ignore").decode()


def on_one_line(text: str) -> str:
    """Return *text* for where ssh(1) shows one line of ASCII: the reason of a refused channel."""
    return plain(" - ".join(line.strip() for line in text.splitlines()))


def lines_for(text: str | Sequence[str], *, terminal: bool) -> bytes:
    """Return *text* as bytes, with the line ends that a terminal in raw mode needs."""
    whole = text if isinstance(text, str) else "\n".join(text)
    return (whole.replace("\n", "\r\n") + "\r\n" if terminal else whole + "\n").encode()
