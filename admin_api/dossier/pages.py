"""The pages of a package: what happened, for somebody who knows no computers, and how to check it in five minutes.

They stand alone: no script, no picture from elsewhere, nothing that acts; they print as they are.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from admin_api.console.staff import moments
from admin_api.console.staff.chronicle import Reader, Told, tell, worded
from admin_api.console.staff.listing import Registry
from admin_api.console.staff.view import harmless, size_here
from admin_api.deps import Context
from admin_api.dossier.account import Account
from admin_api.dossier.scope import Scope
from admin_api.narration import Narrator
from admin_api.sayings import said
from admin_api.templating import environment
from admin_api.verdict import rules, texts
from admin_api.wording import templates
from policy import i18n
from policy.domain.hospitals import Hospital
from policy.domain.people import Language, Person
from recorder.errors import TraceFormatError
from recorder.replay.outline import MarkKind
from recorder.seal.signing import PublicKey
from recorder.trace import instants

NAMES: Final = {
    Language.FRENCH: ("DOSSIER.html", "COMMENT-VERIFIER.html"),
    Language.ENGLISH: ("RECORD.html", "HOW-TO-VERIFY.html"),
}
"""Of the page that tells, and of the one that helps to check it."""
_MARKS: Final = 200
_FILES: Final = 200
_TOLD: Final = (MarkKind.COMMAND, MarkKind.REFUSED, MarkKind.WARNING, MarkKind.UNSEEN, MarkKind.GAP)


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one package."""

    context: Context
    scope: Scope
    hospital: Hospital
    maker: Person
    reason: str
    made_at: datetime

    def all(self, accounts: Sequence[Account], known: Registry, verifier: bytes) -> Iterator[tuple[str, str]]:
        """Yield name and text of each page; *verifier* are the bytes of the one in the package."""
        for language, (record, check) in NAMES.items():
            yield record, self._page("record.html", language, accounts=accounts, known=known)
            digest = hashlib.sha256(verifier).hexdigest()
            yield check, self._page("verify.html", language, verifier=digest, accounts=accounts, known=known)

    def _page(self, template: str, language: Language, **values: Any) -> str:
        zone = self.hospital.timezone
        reader = Reader(language=language, timezone=zone, vocabulary=self.context.vocabulary)
        known: Registry = values.pop("known")
        teller = Narrator(language, zone, self.context.vocabulary)

        def told(key: str, **arguments: object) -> str:
            return i18n.load("admin_api.dossier").translate(key, language, timezone=zone, **arguments)

        def entries(account: Account) -> list[Told]:
            return [tell(entry, reader, known) for entry in account.entries]

        return (
            _templates()
            .get_template(template)
            .render(
                t=told,
                language=language.value,
                names=NAMES[language],
                other=next(pages for spoken, pages in NAMES.items() if spoken is not language),
                hospital=self.hospital,
                maker=self.maker,
                reason=self.reason,
                made_at=self.made_at,
                when=_clock(language, zone),
                word=lambda prefix, value: worded(reader, prefix, value),
                said=lambda text: said(text, language),
                act=lambda op: templates("trace.file.", language).get(f"trace.file.{op}", op or ""),
                scope=self.scope,
                person=known.person(self.scope.asked.person_id),
                rules=lambda account: rules(account.session.header.decision, language, zone),
                channels=lambda account: texts(account.session.header.decision.get("channels")),
                window=_window,
                entries=entries,
                marks=lambda account: _marks(account, teller),
                most_files=_FILES,
                gateways=self.context.trace_keys,
                consoles=self.context.proofs.keys,
                signer=self.context.proofs.notary.key.public,
                stamped=bool(self.context.proofs.authorities),
                **values,
            )
        )


def in_groups(key: PublicKey) -> str:
    """Return a key's fingerprint in groups of four digits, to be read aloud on a telephone."""
    digits = key.fingerprint
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


@cache
def _templates() -> Environment:
    made = environment("admin_api.dossier")
    made.filters["harmless"] = harmless
    made.filters["size"] = size_here
    made.filters["groups"] = in_groups
    made.filters["clock"] = lambda microseconds: moments.lasting(timedelta(microseconds=microseconds))
    made.filters["lasting"] = moments.lasting
    return made


def _clock(language: Language, zone: str) -> Callable[[datetime | None], Markup]:
    def when(at: datetime | None) -> Markup:
        return Markup("–") if at is None else moments.exact(at, language, zone)

    return when


def _window(account: Account) -> tuple[datetime, datetime] | None:
    window = account.session.header.window
    try:
        return instants.parse(window["start"]), instants.parse(window["end"])
    except TraceFormatError:
        return None


def _marks(account: Account, teller: Narrator) -> list[tuple[int, str, str]]:
    found = [mark for mark in account.outline.marks if mark.kind in _TOLD][:_MARKS]
    return [(mark.at_us, mark.kind.value, mark.told(teller)) for mark in found]
