"""The words of the pages and mails: all there, none left over."""

import re
from pathlib import Path

from babel.messages.pofile import read_po

import admin_api.console
from admin_api.console.steps import Step
from policy.authn.passwords import Strength
from policy.domain.alarms import Severity
from policy.domain.engagements import EngagementKind
from policy.domain.mails import MailKind

HERE = Path(admin_api.console.__file__).parent
WAYS = ("sign-in", "lost-phone", "lost-password")
MESSAGES = ("link", "link_over", "visit_over", "form_refused", "unavailable", "nowhere", "left")
_SAID = re.compile(r"""(?:\bt|say|_told)\(\s*["']([a-z_.-]+[a-z])["']""")
INVITATIONS = {MailKind.INVITATION, MailKind.RENEWAL}


def keys() -> set[str]:
    """Return every key of the catalogue."""
    with (HERE / "locales/fr/messages.po").open("rb") as file:
        return {str(entry.id) for entry in read_po(file) if entry.id}


def named() -> set[str]:
    """Return every key that templates and modules name, those made of a step, a way or a kind included."""
    texts = [
        path.read_text(encoding="utf-8") for path in (*HERE.glob("templates/*.html"), *HERE.glob("*.py"))
    ]
    found = {key for text in texts for key in _SAID.findall(text)}
    found |= {f"{group}.{step.value}" for step in Step for group in ("step", "short")}
    found |= {f"account{part}.{way}" for way in WAYS for part in ("", ".why", ".go", ".to", ".refused")}
    found |= {f"{name}.{part}" for name in MESSAGES for part in ("title", "text")}
    found |= {f"password.{strength.value}" for strength in Strength}
    found |= {f"{group}.{kind.value}" for kind in EngagementKind for group in ("text", "engagements.accept")}
    found |= {"mail.alarm.subject", *(f"mail.alarm.{severity.value}" for severity in Severity)}
    for kind in set(MailKind) - {MailKind.ALARM}:
        parts = ["subject", "text"] + (
            ["after"] if kind in INVITATIONS else ["referent.subject", "referent.text"]
        )
        found |= {f"mail.{kind.value}.{part}" for part in parts}
    return found


def test_every_sentence_that_is_named_is_there_and_no_other() -> None:
    """What a page or a mail says is in the catalogue, and the catalogue holds nothing that is never said."""
    assert named() - keys() == set()
    assert keys() - named() == set()
