"""What the API must be told to run: a frozen value, made once by the composition root."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from admin_api.alarms.causes import Thresholds
from policy.domain.ids import HospitalId
from policy.domain.ways import Place
from policy.vault.secret import Secret
from recorder.seal.places import ReaderPlaces

_NOWHERE: Final = Place(names=(), port=22, authority=None)


class MailTransport(StrEnum):
    """How the way to the mail server is protected. ``PLAIN`` is for a server on this machine."""

    STARTTLS = "starttls"
    TLS = "tls"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The hospital's mail server, and from which address it is written. ``authority`` None: the system's CAs."""

    host: str
    port: int
    transport: MailTransport
    sender: str
    user: str | None = None
    password: Secret | None = None
    authority: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where alarms are posted to, and the secret they are signed with. ``authority`` None: the system's CAs."""

    url: str
    secret: Secret
    authority: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of one console process.

    ``hospital_id`` is the hospital whose people log in here. ``body_limit`` is in bytes, of a request.
    ``token_lifetime`` is how long a bearer token serves. ``trace_public_keys`` are the PEM files of the gateways'
    public keys, by which traces are verified. ``gateway`` is what technicians' SSH configurations are made of.
    ``page_hosts`` are the names under which the pages answer, besides their own address. ``mail`` None: nothing is
    mailed. ``store_days``: for so long the trace store refuses to delete what came. ``probe_keys`` and ``audit_keys`` are
    the folders of the keys that sign probes' results and other machines' self-audits. ``webhook`` None: alarms are posted
    nowhere. ``thresholds``: from how many on something is an alarm.
    """

    hospital_id: HospitalId
    node: str = "console"
    body_limit: int = 1024 * 1024
    token_lifetime: timedelta = timedelta(hours=8)
    trace_public_keys: tuple[Path, ...] = ()
    page_hosts: tuple[str, ...] = ()
    mail: MailSettings | None = None
    webhook: WebhookSettings | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    readers: ReaderPlaces = field(default_factory=ReaderPlaces)
    gateway: Place = _NOWHERE
    probe_keys: Path | None = None
    audit_keys: Path | None = None
    store_days: int = 0
