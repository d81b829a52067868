"""Shapes of people, their keys and their enrolment."""

from datetime import datetime

from pydantic import BaseModel, Field, SecretStr

from admin_api.v1.schemas.base import Identifier, InOrder, Input, Name, Page, Shown, Text, example, shown
from policy.domain.engagements import EngagementKind, EngagementText
from policy.domain.mails import Mail, MailKind, MailState
from policy.domain.people import Language, Role

_ALICE = {
    "login": "alice",
    "full_name": "Alice Martin",
    "email": "alice@imagix.example",
    "language": "fr",
    "roles": ["technician"],
    "supplier_id": "0b7c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
}


class PersonOut(Shown):
    """A person as the hospital sees her. No secret, and nothing made from one."""

    model_config = example(id="9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4", active=True, one_post=False, **_ALICE)

    id: str
    login: str
    full_name: str
    email: str
    language: Language
    roles: InOrder[Role]
    supplier_id: str | None
    active: bool
    one_post: bool


class PersonDetails(PersonOut):
    """A person, with whether she holds a password and a TOTP secret: without them she cannot come in."""

    model_config = example(
        id="9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4", active=True, one_post=False, enrolled=True, **_ALICE
    )

    enrolled: bool


class PeoplePage(Page[PersonOut]):
    """One page of people."""


class PersonIn(Input):
    """A person to make. ``supplier_id`` is left out for the hospital's own staff."""

    model_config = example(**_ALICE)

    login: Name
    full_name: Text
    email: str = Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$")
    language: Language = Language.FRENCH
    roles: set[Role] = Field(min_length=1)
    supplier_id: Identifier | None = None


class Invitation(BaseModel):
    """A one-time invitation, shown once; who holds it chooses the password, so hand it over in person.

    ``link`` is the same as an address of the hospital's pages. ``mail`` tells what became of the mail that carries it:
    ``off`` where none does; ``waiting`` where the mail server has not taken it yet, ``fault`` being its last word.
    ``spoken_code`` is there where she has to be told it by voice: the mail alone does not let her in.
    """

    model_config = example(
        token="shown-once",  # noqa: S106 - an example
        expires="2026-11-26T18:00:00Z",
        link="https://bastion.hospital.example:8443/i/shown-once",
        spoken_code=None,
        mail="sent",
        fault="",
    )

    token: str
    expires: datetime
    link: str | None = None
    spoken_code: str | None = None
    mail: str = Field(default="off", examples=["off", "waiting", "sent", "abandoned"])
    fault: str = ""


class OnePost(Input):
    """Whether a person's sessions come from one source at a time."""

    model_config = example(one_post=True)

    one_post: bool


class KeyIn(Input):
    """A public key, as one OpenSSH line."""

    model_config = example(public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… alice@post")

    public_key: str = Field(min_length=20, max_length=16384)


class KeyOut(Shown):
    """A public key on file."""

    algorithm: str
    fingerprint: str
    label: str
    added_at: datetime


class KeyChoice(Input):
    """One of a person's keys, by its fingerprint."""

    model_config = example(fingerprint="SHA256:…")

    fingerprint: str = Field(min_length=8, max_length=100)


class KeysPage(Page[KeyOut]):
    """A person's public keys."""


class EngagementOut(Shown):
    """What a person accepted: the version, its words' SHA-256, when, and from which address."""

    kind: EngagementKind
    version: int
    digest: str
    at: datetime
    source: str


class EngagementsPage(Page[EngagementOut]):
    """What a person accepted."""


class MailOut(BaseModel):
    """One mail to a person: what it was about, and what became of it. Never what it held."""

    id: str
    kind: MailKind
    state: MailState
    queued: datetime
    sent: datetime | None
    tries: int
    fault: str | None

    @classmethod
    def of(cls, mail: Mail) -> "MailOut":
        """Show *mail*."""
        return shown(cls, mail, queued=mail.queued_at, sent=mail.sent_at)


class MailsPage(Page[MailOut]):
    """The last mails to a person."""


class EnrolmentPassword(Input):
    """The first step: the invitation and the password chosen."""

    model_config = example(invitation="…", password="une phrase assez longue")  # noqa: S106 - an example

    invitation: SecretStr = Field(max_length=200)
    password: SecretStr = Field(max_length=1024)
    spoken_code: str = Field(
        default="", max_length=32, description="What she was told by voice, where the invitation asks for it."
    )


class EnrolmentInvitation(Input):
    """The invitation alone."""

    model_config = example(invitation="…")

    invitation: SecretStr = Field(max_length=200)


class EnrolmentAcceptance(Input):
    """The texts that the invited person accepts, each in the version that she read."""

    model_config = example(invitation="…", versions={"charter": 1})

    invitation: SecretStr = Field(max_length=200)
    versions: dict[EngagementKind, int]


class TextOut(BaseModel):
    """One version of a text, in one language: plain paragraphs."""

    kind: EngagementKind
    version: int
    title: str
    paragraphs: list[str]
    effective: datetime

    @classmethod
    def of(cls, text: EngagementText, language: Language) -> "TextOut":
        """Show *text* in *language*."""
        return shown(
            cls,
            text,
            title=text.titles[language],
            paragraphs=text.paragraphs[language],
            effective=text.effective_at,
        )


class EnrolmentTexts(BaseModel):
    """What waits for her agreement; nothing where nothing is demanded of her."""

    items: list[TextOut]


class EnrolmentCode(Input):
    """The last step: the invitation and a code of the new TOTP secret."""

    model_config = example(invitation="…", code="492039")

    invitation: SecretStr = Field(max_length=200)
    code: str = Field(pattern=r"^[0-9]{6,8}$")


class Provisioning(BaseModel):
    """The TOTP secret, shown this once and to the person only."""

    login: str
    uri: str = Field(examples=["otpauth://totp/Ecluse:alice?secret=…&issuer=Ecluse"])
    secret: str = Field(description="Base32, to type where a camera is of no use.")
