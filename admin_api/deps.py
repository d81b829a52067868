"""What routers ask for: the services behind the API, who calls, and which page of a list."""

from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from admin_api.console.mailer import Mailer
from admin_api.console.staff.recordings import Recordings
from admin_api.errors import BadTimestamp
from admin_api.live.tickets import Tickets
from admin_api.live.viewers import Viewers
from admin_api.readers import ReaderDesk
from admin_api.registered_keys import RegisteredKeys
from admin_api.retention.keeper import Keeper
from admin_api.security.permissions import principal_of
from admin_api.selfaudit.machines import AuditKeys
from admin_api.settings import ApiSettings
from admin_api.wording import preferred
from policy.clock import Clock
from policy.domain.addresses import readable
from policy.domain.people import Language
from policy.i18n import Catalog as SentenceCatalog
from policy.services import Services
from policy.services.tokens import Principal
from recorder.audit.journal import Journal
from recorder.ports import TraceStore
from recorder.proof.proofs import Proofs
from recorder.seal.ring import ReaderRing
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import ReaderKey
from recorder.search.indexer import Indexer
from recorder.store.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything a router may reach. Made once, by ``create_app``.

    ``vocabulary`` holds the sentences for reasons in traces that other packages gave.
    """

    services: Services
    catalog: Catalog
    journal: Journal
    traces: TraceStore
    proofs: Proofs
    trace_keys: tuple[PublicKey, ...]
    readers: ReaderDesk
    settings: ApiSettings
    keeper: Keeper
    clock: Clock
    vocabulary: tuple[SentenceCatalog, ...] = ()
    mailer: Mailer | None = None
    search: Indexer | None = None
    recordings: Recordings = field(default_factory=Recordings)
    viewers: Viewers = field(default_factory=Viewers)
    tickets: Tickets = field(default_factory=Tickets)

    @property
    def auditors(self) -> AuditKeys:
        """By which keys self-audits are believed."""
        return AuditKeys(self.proofs.keys, RegisteredKeys(self.settings.audit_keys))

    @property
    def ring(self) -> ReaderRing:
        """The readers' keys of this console."""
        return self.readers.ring

    @property
    def reader_keys(self) -> list[ReaderKey]:
        """The keys to open traces by, as they are now; those that are locked say so when they are needed."""
        return self.ring.readers()


def context_of(request: Request) -> Context:
    """Return what ``create_app`` was given."""
    found = request.app.state.context
    if not isinstance(found, Context):
        raise TypeError("the application was made without its context")
    return found


def language_of(request: Request) -> Language:
    """Return the language to answer in: the header's wish, else the person's own, else French."""
    principal = getattr(request.state, "principal", None)
    own = principal.person.language if isinstance(principal, Principal) else Language.FRENCH
    return preferred(request.headers.get("accept-language"), own)


def source_of(request: Request) -> str:
    """Return the peer's IP address. Forwarding headers are not believed: nobody in front is trusted."""
    return readable(request.client.host) if request.client is not None else "0.0.0.0"  # noqa: S104 - an address never declared


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list, read from the query: at most *limit* items after the cursor *after*."""

    limit: Annotated[int, Query(ge=1, le=500, description="At most this many items.")] = 100
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None


Ctx = Annotated[Context, Depends(context_of)]
Who = Annotated[Principal, Depends(principal_of)]
Spoken = Annotated[Language, Depends(language_of)]
Paging = Annotated[PageRequest, Depends()]


def instant(text: str | None, field: str) -> datetime | None:
    """Read an ISO 8601 instant with its offset from the query; raises BadTimestamp naming *field*."""
    if text is None:
        return None
    try:
        # a "+" of an offset reads as a space where the client did not escape it
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as refused:
        raise BadTimestamp(field) from refused
    if found.tzinfo is None or not MINYEAR < found.year < MAXYEAR:  # UTC may lack the edges
        raise BadTimestamp(field)
    return found
