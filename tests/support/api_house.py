"""The fixture hospital behind the real API: uvicorn on loopback, TLS by a CA made for it, both databases on disk."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from typing_extensions import override

from admin_api.alarms.webhook import Webhook
from admin_api.app import close, create_app, send_mails
from admin_api.deps import Context
from admin_api.evidence import OutboxIngest
from admin_api.health import Standing
from admin_api.readers import ReaderDesk
from admin_api.retention.keeper import Keeper
from admin_api.server import server_config
from admin_api.settings import ApiSettings, MailSettings, WebhookSettings
from ecluse.certificates import make_authority, make_server_certificate
from ecluse.demo.ports import free_port
from ecluse.observation.readiness import Readings
from ecluse.profile import Profile
from policy.clock import ManualClock
from policy.domain.alarms import Severity
from policy.domain.people import Role
from policy.domain.ways import Place
from policy.i18n import load
from policy.vault.secret import Secret
from recorder.audit.feed import JournalFeed
from recorder.audit.journal import Journal
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.replay.cache import ReplayCache
from recorder.seal.places import ReaderPlaces
from recorder.seal.signing import SigningKey, generate_key
from recorder.search.indexer import Indexer
from recorder.search.rendering import Bounds
from recorder.store.catalog import Catalog
from recorder.store.database import Database
from recorder.store.folder import FolderStore
from tests.support.policy_databases import own_world
from tests.support.policy_world import World, make_world
from tests.support.schemas import trace_schema

T = TypeVar("T")

START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
"""20:00 in Paris, a Monday."""
STAFF = {
    "dsi": Role.ADMINISTRATOR,
    "denis": Role.ADMINISTRATOR,
    "rssi": Role.SECURITY,
    "alice": Role.TECHNICIAN,
}
_PATIENCE = 60.0


@dataclass
class House:
    """What tests reach: the address, the world behind it, and its journal and store. ``run`` works in its loop."""

    url: str
    ca: Path
    directory: Path
    world: World
    clock: ManualClock
    journal: Journal
    catalog: Catalog
    store: FolderStore
    proofs: Proofs
    search: Indexer
    keeper: Keeper
    signing_key: SigningKey
    readers: ReaderDesk
    ingest: OutboxIngest
    feed: JournalFeed
    context: Context
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* in the server's own loop and return what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE)

    def token(self, login: str, *, roles: frozenset[Role] | None = None) -> Secret:
        """Return a token of that person, with her own roles or fewer."""
        person = self.world.people[login]
        wanted = person.roles if roles is None else roles
        issue = self.world.services.tokens.issue(person, wanted, timedelta(days=300), "test")
        return self.run(issue)

    def client(self, login: str | None = None, language: str = "en") -> httpx.Client:
        """Return a client that speaks as *login*, or as nobody."""
        headers = {"Accept-Language": language}
        if login is not None:
            headers["Authorization"] = f"Bearer {self.token(login).reveal()}"
        trust = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(
            base_url=self.url, verify=trust, headers=headers, timeout=_PATIENCE, trust_env=False
        )

    def profile(self, login: str | None = None) -> Profile:
        """Return what the command line knows of this house."""
        return Profile(url=self.url, ca=self.ca, token=self.token(login) if login is not None else None)

    def next_code(self, login: str) -> str:
        """Return a code that was not used yet: the clock moves on by one step."""
        self.clock.advance(timedelta(seconds=30))
        return self.world.code(login)

    def ingest_all(self) -> None:
        """Bring the journal up to the outbox."""

        async def work() -> None:
            while await self.ingest.step():
                pass

        self.run(work())


class _Server(uvicorn.Server):
    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@contextmanager
def open_house(
    directory: Path,
    *,
    engagements: bool = False,
    mail: MailSettings | None = None,
    webhook: WebhookSettings | None = None,
) -> Iterator[House]:
    """Build the hospital in *directory* and serve it until the block ends.

    *engagements*: its technicians accept texts; *mail*: the mail server that what they must know is handed to;
    *webhook*: where alarms are posted.
    """
    ready = threading.Event()
    kept: dict[str, Any] = {}
    living = partial(_live, directory, ready, kept, engagements=engagements, mail=mail, webhook=webhook)
    thread = threading.Thread(target=lambda: asyncio.run(living()), name="api-house")
    thread.start()
    try:
        if not ready.wait(_PATIENCE * 2) or "house" not in kept:
            raise RuntimeError(f"the house did not open: {kept.get('error')!r}")
        yield kept["house"]
    finally:
        if "stop" in kept:
            kept["loop"].call_soon_threadsafe(kept["stop"].set)
        thread.join(_PATIENCE)


async def _live(
    directory: Path,
    ready: threading.Event,
    kept: dict[str, Any],
    *,
    engagements: bool,
    mail: MailSettings | None,
    webhook: WebhookSettings | None,
) -> None:
    kept["loop"] = asyncio.get_running_loop()
    kept["stop"] = asyncio.Event()
    try:
        await _serve(directory, ready, kept, engagements=engagements, mail=mail, webhook=webhook)
    except BaseException as error:
        kept["error"] = error
        raise
    finally:
        ready.set()


async def _answers(database: Database) -> Standing:
    await database.check()
    return Standing.GOOD


async def _serve(
    directory: Path,
    ready: threading.Event,
    kept: dict[str, Any],
    *,
    engagements: bool,
    mail: MailSettings | None,
    webhook: WebhookSettings | None,
) -> None:
    clock = ManualClock(START)
    generate_key(directory / "trace-signing.pem")
    traces = f"sqlite:///{directory}/traces.db"
    await trace_schema(traces)
    database = Database(traces)
    port = free_port()
    traits: dict[str, Any] = {
        "engagements": engagements,
        "alarm_calls": None if webhook is None else Severity.NOTICE,
    }
    at: dict[str, Any] = {"pages_url": f"https://127.0.0.1:{port}"}
    if mail is None:
        world = await own_world(directory, clock, settings=at, **traits)
    else:  # its letters say where the pages are
        world = await make_world(
            f"sqlite:///{directory}/policy.db",
            clock,
            keyring_directory=directory / "keyring",
            mails=True,
            **at,
            **traits,
        )
    try:
        async with console_of(
            world,
            clock,
            database,
            FolderStore(directory / "store", now=clock.now),
            directory / "trace-signing.pem",
            directory=directory,
            port=port,
            mail=mail,
            webhook=webhook,
        ) as house:
            kept["house"] = house
            ready.set()
            await kept["stop"].wait()
    finally:
        await world.close()
        await database.dispose()


@asynccontextmanager
async def console_of(
    world: World,
    clock: ManualClock,
    database: Database,
    store: FolderStore,
    signing: Path,
    *,
    directory: Path,
    port: int | None = None,
    mail: MailSettings | None = None,
    webhook: WebhookSettings | None = None,
) -> AsyncIterator[House]:
    """Serve the real console of *world* in this loop, over its trace *database* and *store*; keep files in *directory*.

    *signing*: the gateways' key, its public half beside it.
    """
    port = free_port() if port is None else port
    tls = directory / "tls"
    tls.mkdir()
    # the certificate is judged by the machine's clock, whatever the hospital's says
    make_authority(tls, "CH de Test", datetime.now(UTC))
    make_server_certificate(tls, ["127.0.0.1", "localhost"], datetime.now(UTC))
    journal = Journal(database, node="console", now=clock.now)
    catalog = Catalog(database)
    settings = ApiSettings(
        hospital_id=world.id,
        readers=ReaderPlaces(directory / "readers"),
        store_days=92,
        trace_public_keys=(signing.with_name(f"{signing.name}.pub"),),
        probe_keys=directory / "probes",
        audit_keys=directory / "audits",
        body_limit=64 * 1024,
        gateway=Place(
            names=("bastion.example",),
            port=2222,
            authority="ssh-ed25519 AAAAhouse",
            fingerprints=("SHA256:house",),
        ),
        mail=mail,
        webhook=webhook,
    )
    checkpoint_key = generate_key(directory / "checkpoint-signing.pem")
    proofs = Proofs(
        database=database,
        journal=journal,
        hospital_id=world.id,
        notary=Notary(database, checkpoint_key, hospital_id=world.id, node="console", now=clock.now),
        keys=(checkpoint_key.public,),
        now=clock.now,
    )
    search = Indexer(
        database,
        directory / "search",
        hospitals=lambda: asyncio.sleep(0, [world.id]),
        store=store,
        keys=lambda: (),
        now=clock.now,
        bounds=Bounds(),
        replays=ReplayCache(directory / "search" / "replay", 1 << 30),
    )
    app = create_app(
        world.services,
        catalog,
        journal,
        store,
        proofs,
        settings,
        clock,
        vocabulary=(load("gateway"), load("ecluse")),
        search=search,
        probe=Readings({"traces": partial(_answers, database)}),
    )
    config = server_config(app, host="127.0.0.1", port=port, certificate=tls / "api.pem", key=tls / "api.key")
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    chores = [asyncio.create_task(send_mails(app))]
    if webhook is not None:
        chores.append(asyncio.create_task(Webhook(world.services.calls, world.id, webhook, clock).run()))
    try:
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        yield House(
            url=f"https://127.0.0.1:{port}",
            ca=tls / "ca.pem",
            directory=directory,
            world=world,
            clock=clock,
            journal=journal,
            catalog=catalog,
            store=store,
            proofs=proofs,
            search=search,
            keeper=app.state.context.keeper,
            signing_key=SigningKey.load(signing),
            readers=app.state.context.readers,
            ingest=OutboxIngest(world.services, journal, clock),
            feed=JournalFeed(database, world.id, proofs.keys),
            context=app.state.context,
            loop=asyncio.get_running_loop(),
        )
    finally:
        server.should_exit = True
        await serving
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await close(app)
