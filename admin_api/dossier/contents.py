"""The contents of an evidence package: originals first, then what is derived from them, then the pages, then the index."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from admin_api.console.staff.listing import Registry
from admin_api.deps import Context
from admin_api.dossier import sheets
from admin_api.dossier.account import Account
from admin_api.dossier.pages import Pages
from admin_api.dossier.scope import Scope
from admin_api.narration import Narrator
from policy.domain.hospitals import Hospital
from policy.domain.people import Language, Person
from recorder.audit.entries import JournalEntry
from recorder.audit.purge import Gone
from recorder.errors import RecorderError, StoreUnavailable, TraceNotFound, TraceSealed
from recorder.proof.package import UNKNOWN, Package
from recorder.replay import asciicast, transcript
from recorder.replay.reader import TraceReader
from recorder.replay.stub import is_stub
from recorder.store.catalog import CatalogedSession
from recorder.trace import instants
from recorder.trace.place import TracePlace
from recorder.trace.purge import PURGE, PurgeRecord

VERIFIER: Final = "verifier.py"
_PIECE: Final = 256 * 1024
_BREAK: Final[dict[Language, str]] = {
    Language.FRENCH: "* ICI LA TRACE NE TIENT PLUS ; rien de ce qui suivait n’est montré :",
    Language.ENGLISH: "* HERE THE TRACE DOES NOT HOLD ANY MORE; nothing of what followed is shown:",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything that a package is made of. ``folder`` holds the extract that proves, and goes when all was sent.

    ``entries`` are those of the journal that tell of each session, bounded; ``more``
    names those of which there are others besides; ``gone`` is what the journal lost by rule.
    """

    context: Context
    scope: Scope
    hospital: Hospital
    maker: Person
    reason: str
    made_at: datetime
    folder: "TemporaryDirectory[str]"
    registry: Registry
    entries: dict[str, Sequence[JournalEntry]] = field(default_factory=dict)
    more: set[str] = field(default_factory=set)
    gone: Gone | None = None

    def check(self, session: CatalogedSession) -> None:
        """See that this session can be read: nothing is refused after the first byte. Blocks.

        Raises ReaderKeyLocked, TraceSealed, StoreUnavailable.
        """
        try:
            with self.context.traces.opened(self._place(session)) as folder:
                if not is_stub(folder):
                    with TraceReader(folder, self.context.reader_keys) as reader:
                        reader.unseal()
        except (TraceSealed, StoreUnavailable):
            raise
        except RecorderError:  # the package is made all the same, and says what is wrong
            return

    def pieces(self) -> Iterator[bytes]:
        """Yield the package. Blocks; raises StoreUnavailable, OSError: what came until then is no zip."""
        package = Package()
        with self.folder:
            yield from package.add_folder(Path(self.folder.name) / "extract")
            accounts = []
            for one in self.scope.sessions:
                account = self._account(one)
                yield from self._session(package, account)
                accounts.append(account)
            verifier = files("recorder.proof").joinpath(VERIFIER).read_bytes()
            yield from package.add(VERIFIER, [verifier])
            pages = Pages(self.context, self.scope, self.hospital, self.maker, self.reason, self.made_at)
            for name, page in pages.all(accounts, self.registry, verifier):
                yield from package.add(name, [page.encode("utf-8", "backslashreplace")])
            facts = {
                "hospital_id": self.hospital.id,
                "made_at": instants.text(self.made_at),
                "made_by": self.maker.id,
                "reason": self.reason,
                "journal_purge": _told(self.gone),
            }
            yield from package.close(facts, self.scope.ids, self.context.proofs.notary.key)

    def _account(self, one: CatalogedSession) -> Account:
        session_id = one.header.session_id
        return Account(
            session=one,
            entries=self.entries.get(session_id, ()),
            more=session_id in self.more,
            gone=self.gone if self.gone and one.header.started_at <= self.gone.before else None,
            purged_at=self.scope.purged.get(session_id),
        )

    def _place(self, one: CatalogedSession) -> TracePlace:
        header = one.header
        return self.context.traces.find(header.hospital_id, header.session_id, header.started_at)

    def _session(self, package: Package, account: Account) -> Iterator[bytes]:
        header = account.session.header
        base = f"sessions/{header.session_id}"
        told = json.dumps(json.loads(header.to_json()), indent=2, ensure_ascii=True, sort_keys=True)
        yield from package.add(f"{base}/decision.json", [told.encode()])
        yield from package.add(f"{base}/journal.csv", self._journal(account.entries))
        try:
            place = self._place(account.session)
        except TraceNotFound:
            account.missing = True
            return
        with self.context.traces.opened(place) as folder:
            yield from package.add_trace(folder, header.session_id)
            if is_stub(folder):
                account.purge = _purge(folder)
                return
            yield from self._derived(package, account, folder)

    def _derived(self, package: Package, account: Account, folder: Path) -> Iterator[bytes]:
        base = f"sessions/{account.session.header.session_id}"
        account.read = True
        for language in (Language.FRENCH, Language.ENGLISH):
            lines = self._transcript(account, folder, language)
            yield from package.add(f"{base}/transcript.{language.value}.txt", _bytes(lines), expected=UNKNOWN)
        yield from package.add(f"{base}/session.cast", _bytes(self._cast(account, folder)), expected=UNKNOWN)
        yield from package.add(f"{base}/files.csv", _files(account))

    def _teller(self, language: Language) -> Narrator:
        return Narrator(language, self.hospital.timezone, self.context.vocabulary)

    def _transcript(self, account: Account, folder: Path, language: Language) -> Iterator[str]:
        try:
            with TraceReader(folder, self.context.reader_keys) as reader:
                yield from transcript.render(reader, teller=self._teller(language))
        except TraceSealed:
            raise
        except RecorderError as broken:
            account.broken = str(broken)
            yield f"{_BREAK[language]} {transcript.neutralise(str(broken))}"

    def _cast(self, account: Account, folder: Path) -> Iterator[str]:
        try:
            with TraceReader(folder, self.context.reader_keys) as reader:
                yield from asciicast.export(reader, teller=self._teller(Language.FRENCH), watch=account.watch)
        except TraceSealed:
            raise
        except RecorderError as broken:
            account.broken = str(broken)

    def _journal(self, entries: Sequence[JournalEntry]) -> Iterator[bytes]:
        heads = (
            *("heure (UTC) / time (UTC)", "événement / event", "acteur / actor", "adresse / source"),
            *("détails / details", "chaîne / chain", "numéro / number", "empreinte / digest"),
        )
        return sheets.sheet(heads, (self._entry(entry) for entry in entries))

    def _entry(self, entry: JournalEntry) -> Sequence[object]:
        event = entry.event
        details = json.dumps(dict(event.details), ensure_ascii=False, sort_keys=True, default=str)
        actor = self.registry.person(event.actor)
        return (
            *(instants.text(event.at), event.name, actor, event.source),
            *(details, entry.writer, entry.seq, entry.digest),
        )


def _told(gone: Gone | None) -> dict[str, object] | None:
    if gone is None:
        return None
    return {
        "number": gone.number,
        "digest": gone.digest,
        "purged_at": instants.text(gone.purged_at),
        "rule": gone.rule,
        "before": instants.text(gone.before),
    }


def _purge(folder: Path) -> PurgeRecord | None:
    try:
        return PurgeRecord.from_json((folder / PURGE).read_bytes())
    except (RecorderError, OSError):  # the verifier says what is wrong with it
        return None


def _files(account: Account) -> Iterator[bytes]:
    heads = (
        *("secondes / seconds", "opération / operation", "chemin / path", "vers / target"),
        *("étape / phase", "octets / bytes", "SHA-256", "résultat / result"),
    )
    names = ("op", "path", "target", "phase", "size", "sha256", "result")
    rows = (
        (f"{one.at_us / 1_000_000:.3f}", *(one.facts.get(name) for name in names))
        for one in account.outline.transfers
    )
    return sheets.sheet(heads, rows)


def _bytes(lines: Iterator[str]) -> Iterator[bytes]:
    """Join lines into pieces of some size."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        kept.append(data)
        size += len(data)
        if size >= _PIECE:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)
