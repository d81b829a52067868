"""What ``ecluse doctor`` looks at on a machine; each check says what is wrong and the way out."""

from ecluse.diagnosis import (
    anchors,
    backups,
    collector,
    databases,
    derogations,
    files,
    flows,
    general_cut,
    keys,
    machine,
    network,
    proofs,
    selfaudit,
    trace_store,
    users,
)
from ecluse.diagnosis.symptom import Symptom
from ecluse.sections import Flows
from ecluse.settings import Settings
from policy.clock import Clock


async def examine(settings: Settings, clock: Clock) -> list[Symptom]:
    """Return a symptom for each thing looked at; whatever it finds, it never raises and changes nothing."""
    here = not settings.console.elsewhere  # what is the console's is looked at on its machine
    return [
        *files.permissions(settings),
        *files.writable(settings),
        *files.disks(settings),
        *files.left_in_spool(settings),
        *files.outage(settings),
        *keys.host_keys(settings),
        *keys.host_authority(settings),
        *keys.signing_key(settings),
        *(await _proofs(settings, clock) if here else ()),
        *keys.readers(settings, clock),
        *(keys.certificates(settings, clock) if here else ()),
        *await databases.stores(settings),
        *(await databases.roles(settings) if here else ()),
        *await databases.keyring(settings),
        *await trace_store.trace_store(settings, clock),
        *await general_cut.general_cut(settings),
        *await derogations.derogations(settings, clock),
        *await anchors.anchors(settings, clock),
        *(await collector.collector(settings, clock) if here else ()),
        *network.ports(settings),
        flows.flows(settings),
        flows.routing(),
        *(await flows.probes(settings, clock) if here and settings.gateway.flows is not Flows.OFF else ()),
        *await selfaudit.self_audit(settings, clock),
        await machine.clock(),
        *await machine.timekeepers(settings, clock),
        machine.descriptors(),
        machine.library(),
        machine.assets(),
        *users.accounts(settings),
    ]


async def _proofs(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at what the journal tells of checkpoints, verification and backups, which no gateway's user may read."""
    return [
        *proofs.checkpoints(settings),
        *await proofs.newest(settings, clock),
        *await backups.backups(settings, clock),
    ]
