"""The console's proofs: put together from the settings, and the chore that makes checkpoints."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ecluse import composition
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.seal.signing import PublicKey, SigningKey
from recorder.store.database import Database

log = structlog.get_logger()

ACTOR = "console"
_MINUTE = 60.0


def proofs_of(settings: Settings, database: Database, journal: Journal, clock: Clock) -> Proofs:
    """Return the proofs of the settings' hospital. Raises SignatureInvalid where one of their keys cannot be used."""
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
    )


async def keep(proofs: Proofs, every_minutes: float) -> None:
    """Make what checkpoints are due, until cancelled; what fails is logged and tried again at the next look."""
    while True:
        try:
            for made in await proofs.checkpoint(ACTOR):
                log.info("checkpoint.made", sequence=made.checkpoint.sequence, digest=made.digest)
        except (SQLAlchemyError, RecorderError) as error:
            log.warning("checkpoint.not_made", error=str(error))
        await asyncio.sleep(every_minutes * _MINUTE)
