"""The self-audit of the two-tier lock's front, which has no installation: no database, no vault, no hospital.

Its report is kept on its own disk, signed by a key of its own, until somebody fetches it from inside.
"""

import asyncio
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

from admin_api.selfaudit.report import LARGEST, Predecessor, Report, digest
from ecluse import airlock
from ecluse.airlock import AirlockFile, FrontSection
from ecluse.diagnosis import files, flows, machine
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.private_files import GROUP_AND_OTHERS
from ecluse.selfaudit import advisories, exposure, ssh, tls
from ecluse.selfaudit.conduct import Told, Work, conducted, given
from ecluse.selfaudit.exposure import Listener
from ecluse.selfaudit.memory import put
from ecluse.selfaudit.places import reachable
from policy.clock import Clock
from policy.domain.ids import new_id
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal.signing import PublicKey

NOBODYS: Final = ""
"""In place of a hospital: a front belongs to none, and counts for the one where its key is registered."""


async def audit(
    chosen: AirlockFile,
    front: FrontSection,
    folder: Path,
    clock: Clock,
    *,
    occasion: str,
    previous: Predecessor | None,
    tell: Told,
) -> Report:
    """Audit this machine, whose settings *chosen* lie in *folder* and are those of a *front*."""
    begun = clock.now()
    relays = (reachable(front.relay_host), front.relay_port)
    works: Mapping[str, Work] = {
        "ssh": lambda: ssh.offered(reachable(front.host), front.port),
        "tls": lambda: _tls(*relays),
        "exposure": lambda: given(exposure.beside(_wanted(front))),
        "files": lambda: given(_files(chosen, front, folder)),
        "advisories": lambda: advisories.advisories(None),
        "clock": _clock,
        "machine": lambda: given(_machine(chosen, folder, clock)),
    }
    return Report(
        id=new_id(),
        hospital_id=NOBODYS,
        node=front.name,
        machine=socket.gethostname(),
        occasion=occasion,
        made_at=begun,
        parts=await conducted(works, tell),
        finished_at=clock.now(),
        ecluse=version("ecluse"),
        previous=previous,
    )


def last(path: Path, key: PublicKey) -> Predecessor | None:
    """Return the report that lies at *path*; None where there is none that *key* signed."""
    try:
        with path.open("rb") as file:
            document = file.read(LARGEST + 1)
        report, _ = Report.opened(document, [key])
    except (OSError, SignatureInvalid, TraceFormatError):
        return None
    return Predecessor(report.id, digest(document))


def keep(path: Path, document: bytes) -> None:
    """Put *document* at *path* in place of the one before, whole or not at all. Raises OSError."""
    put(path, document, 0o644)  # no secret: whoever fetches it from inside need not be root


async def _tls(host: str, port: int) -> Sequence[Symptom]:
    return await asyncio.to_thread(tls.relays, host, port)


async def _clock() -> Sequence[Symptom]:
    return [await machine.clock()]


def _wanted(front: FrontSection) -> list[Listener]:
    own = [Listener(front.port, "tcp", front.host), Listener(front.relay_port, "tcp", front.relay_host)]
    return [*own, *exposure.further(front.listens)]


def _files(chosen: AirlockFile, front: FrontSection, folder: Path) -> Iterator[Symptom]:
    yield files.mode_of(folder, GROUP_AND_OTHERS)
    for path in (*airlock.secrets(chosen, folder), folder / front.audit_key):
        yield files.secret(path)


def _machine(chosen: AirlockFile, folder: Path, clock: Clock) -> Iterator[Symptom]:
    yield flows.routing()
    for path in airlock.certificate_files(chosen):
        check = look("lock_certificate", path=str(folder / path))
        left = airlock.ends(folder / path) - clock.now()
        if left <= timedelta():
            yield check.failed("over")
        elif left < airlock.SOON:
            yield check.notice("ending", days=left.days)
        else:
            yield check.good(days=left.days)
