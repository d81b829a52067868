"""The mails in words: the reader's language first, then the other. No secret but the link of an invitation."""

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from admin_api.alarms.words import words
from admin_api.console.words import say
from policy.domain.mails import MailKind
from policy.domain.people import Language
from policy.i18n import Catalog
from policy.services.mails import Letter

_INVITATIONS: Final = frozenset({MailKind.INVITATION, MailKind.RENEWAL})
_RULE: Final = "\n\n" + "-" * 60 + "\n\n"


def message(letter: Letter, sender: str, vocabulary: Sequence[Catalog] = ()) -> EmailMessage:
    """Return *letter* as a message from the address *sender*; raises ValueError for an address that is none.

    *vocabulary* is that of an alarm's ``words``.
    """
    recipient = letter.recipient
    own = recipient.language
    other = Language.ENGLISH if own is Language.FRENCH else Language.FRENCH
    found = EmailMessage()
    found["From"] = Address(_told("mail.sender", own, letter), addr_spec=sender)
    found["To"] = Address(recipient.full_name, addr_spec=recipient.email)
    found["Subject"] = _told(f"mail.{_name(letter)}.subject", own, letter)
    found["Date"] = format_datetime(letter.at)
    found["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    found.set_content(_RULE.join(_body(letter, language, vocabulary) for language in (own, other)) + "\n")
    return found


def _body(letter: Letter, language: Language, vocabulary: Sequence[Catalog]) -> str:
    if letter.kind is MailKind.ALARM:
        return "\n\n".join(_alarm(letter, language, vocabulary))
    lines = [
        _told("mail.hello", language, letter),
        _told(f"mail.{_name(letter)}.text", language, letter),
    ]
    if letter.link is not None:
        lines += [letter.link.reveal(), _told(f"mail.{letter.kind.value}.after", language, letter)]
    if letter.kind not in _INVITATIONS and letter.to_herself:
        lines.append(_told("mail.not_you", language, letter))
    lines.append(f"{_told('mail.contact', language, letter)} {letter.hospital.security_contact}")
    return "\n\n".join(lines)


def _alarm(letter: Letter, language: Language, vocabulary: Sequence[Catalog]) -> list[str]:
    """What happened and what to do now; the rest is on the screens of who may read it."""
    said = words(letter.arguments["alarm_kind"], letter.facts, language, vocabulary)
    severity = _told(f"mail.alarm.{letter.arguments['severity']}", language, letter)
    return [
        _told("mail.hello", language, letter),
        f"{severity} {said.title}",
        said.sentence,
        f"{_told('mail.alarm.act', language, letter)} {said.act}",
        _told("mail.alarm.after", language, letter),
    ]


def _name(letter: Letter) -> str:
    """A referent reads of somebody else what the person reads of herself."""
    return letter.kind.value if letter.to_herself else f"{letter.kind.value}.referent"


def _told(key: str, language: Language, letter: Letter) -> str:
    return say(
        key,
        language,
        timezone=letter.hospital.timezone,
        name=letter.recipient.full_name,
        person=letter.subject.full_name,
        login=letter.subject.login,
        hospital=letter.hospital.name,
        at=letter.at,
        fingerprint=letter.arguments.get("fingerprint", ""),
        alarm=letter.arguments.get("alarm", "")[:8],
        title=words(letter.arguments["alarm_kind"], letter.facts, language).title
        if letter.kind is MailKind.ALARM
        else "",
    )
