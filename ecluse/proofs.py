"""The console's proofs: put together from the settings, and the chore that makes, stamps and anchors checkpoints."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ecluse import composition
from ecluse.settings import Settings
from ecluse.timestamps import Authorities
from policy.clock import Clock
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.ports import TraceStore
from recorder.proof.delivery import AnchorFile, AnchorSyslog, Delivery, StoreCopy, Target
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.proof.stamps import Post, Stamper
from recorder.seal.signing import PublicKey, SigningKey
from recorder.seal.timestamping import Authority, load_roots
from recorder.store.database import Database

log = structlog.get_logger()

ACTOR = "console"
_MINUTE = 60.0


def proofs_of(settings: Settings, database: Database, journal: Journal, clock: Clock) -> Proofs:
    """Return the proofs of the settings' hospital.

    Raises SignatureInvalid where one of their keys cannot be used, StampInvalid where an authority's CA cannot.
    """
    notary = Notary(
        database,
        SigningKey.load(settings.checkpoint_key),
        hospital_id=settings.hospital_id,
        node=composition.console_node(settings),
        now=clock.now,
    )
    return Proofs(
        database=database,
        journal=journal,
        hospital_id=settings.hospital_id,
        notary=notary,
        keys=tuple(PublicKey.load(path) for path in settings.checkpoint_public_keys),
        now=clock.now,
        authorities=tuple(authorities_of(settings)),
    )


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is done about checkpoints, look by look: made, stamped, told to who remembers them."""

    proofs: Proofs
    stamper: Stamper
    delivery: Delivery

    @classmethod
    def of(cls, settings: Settings, proofs: Proofs, store: TraceStore, post: Post) -> "Upkeep":
        """Put it together: checkpoints are copied to the *store*; *post* is the way to the authorities.

        Raises SettingsError where the bucket of anchors cannot be opened.
        """

        async def tell(name: str, facts: dict[str, object]) -> None:
            log.warning(name, **facts)
            await proofs.note(name, ACTOR, facts)

        chosen = settings.checkpoints
        stamper = Stamper(
            proofs.database,
            proofs.hospital_id,
            proofs.authorities,
            post=post,
            tell=tell,
            node=composition.console_node(settings),
            late_after=timedelta(hours=chosen.late_hours),
            now=proofs.now,
        )
        targets = list(_targets(settings, proofs, store))
        return cls(
            proofs,
            stamper,
            Delivery(proofs.database, proofs.hospital_id, targets, tell=tell, now=proofs.now),
        )

    async def once(self) -> None:
        """Do what is due. Raises SQLAlchemyError, RecorderError."""
        for made in await self.proofs.checkpoint(ACTOR):
            log.info("checkpoint.made", sequence=made.checkpoint.sequence, digest=made.digest)
        for authority, why in (await self.stamper.stamp()).items():
            log.warning("timestamp.not_made", authority=authority, why=why)
        for target, why in (await self.delivery.deliver()).items():
            log.warning("anchor.not_delivered", target=target, why=why)


async def keep(settings: Settings, proofs: Proofs, store: TraceStore) -> None:
    """Do what is due about checkpoints, until cancelled; what fails is logged and tried again at the next look."""
    async with Authorities() as authorities:
        upkeep = Upkeep.of(settings, proofs, store, authorities.post)
        while True:
            try:
                await upkeep.once()
            except (SQLAlchemyError, RecorderError) as error:
                log.warning("checkpoint.not_made", error=str(error))
            await asyncio.sleep(settings.checkpoints.every_minutes * _MINUTE)


def authorities_of(settings: Settings) -> Iterator[Authority]:
    """Yield the time-stamp authorities that the settings name. Raises StampInvalid where the CA of one cannot be used."""
    for one in settings.checkpoints.authorities:
        roots = load_roots(settings.data_dir / one.ca)
        yield Authority(name=one.name, url=one.url, roots=roots, policy=one.policy)


def _targets(settings: Settings, proofs: Proofs, store: TraceStore) -> Iterator[Target]:
    chosen = settings.checkpoints
    yield StoreCopy(proofs.hospital_id, store)
    if chosen.anchor_file is not None:
        yield AnchorFile(settings.data_dir / chosen.anchor_file)
    if chosen.anchor_syslog is not None:
        yield AnchorSyslog(chosen.anchor_syslog, settings.node)
    bucket = composition.anchor_bucket_settings(settings)
    if bucket is not None:
        from recorder.proof.anchor_bucket import AnchorBucket  # its library is loaded where a bucket is set

        retention = timedelta(days=chosen.anchor_bucket.retention_days)
        yield AnchorBucket(bucket, retention=retention, now=proofs.now)
