"""Hospital, suppliers, devices, accounts, cuts and device tasks: what is accepted, and what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from policy.clock import ManualClock
from policy.domain.access import Denial, Grant, RevocationScope
from policy.domain.devices import AccountMethod, Algorithms
from policy.domain.ids import HospitalId, SiteId, ZoneId, new_id
from policy.domain.suppliers import Site
from policy.domain.tasks import TaskKind, TaskResult, TaskState
from policy.errors import Conflict, InvalidInput, NotFound, SecretReused, VaultError
from policy.services.device_tasks import ASKED_FOR
from policy.vault.secret import Secret
from tests.support.policy_world import World, host_key_line

TWO = [("ana", "Ana Un", "ana.un@hopital.example"), ("ben", "Ben Deux", "ben.deux@hopital.example")]


def site(*networks: str, country: str = "FR", name: str = "Nantes") -> Site:
    """Return a site with these networks."""
    return Site(id=SiteId(new_id()), name=name, country=country, networks=networks)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("administrators", {"administrators": TWO[:1]}),
        ("timezone", {"timezone": "Europe/Atlantis"}),
        ("name", {"name": " "}),
        ("security_contact", {"security_contact": ""}),
    ],
)
async def test_an_installation_begins_with_two_administrators_and_a_place_in_time(
    world: World, field: str, changes: dict[str, Any]
) -> None:
    """One administrator, an unknown time zone, an empty name or contact: each is refused by field."""
    wanted: dict[str, Any] = {
        "name": "CH Voisin",
        "timezone": "Europe/Paris",
        "security_contact": "RSSI",
        "administrators": TWO,
        "further": True,
    }
    with pytest.raises(InvalidInput) as refusal:
        await world.services.hospitals.initialise(**(wanted | changes))
    assert refusal.value.field == field
    assert len(await world.services.hospitals.list()) == 1


async def test_a_second_hospital_is_made_only_on_purpose(world: World) -> None:
    """Initialising twice is a Conflict; a further hospital must be asked for as such."""
    begin = world.services.hospitals.initialise
    with pytest.raises(Conflict):
        await begin(name="Voisin", timezone="Europe/Paris", security_contact="RSSI", administrators=TWO)
    made = await begin(
        name="Voisin", timezone="Europe/Paris", security_contact="RSSI", administrators=TWO, further=True
    )
    assert [one.person.login for one in made.invitations] == ["ana", "ben"]
    assert len(await world.services.hospitals.list()) == 2


@pytest.mark.parametrize(
    ("field", "sites"),
    [
        ("sites.0.networks", [site()]),
        ("sites.0.networks", [site("192.0.2.300/24")]),
        ("sites.0.networks", [site("192.0.2.7/24")]),
        ("sites.0.networks", [site("0.0.0.0/0")]),
        ("sites.1.networks", [site("192.0.2.0/24"), site("::/0", name="Brest")]),
        ("sites.0.country", [site("192.0.2.0/24", country="France")]),
        ("sites", [site("192.0.2.0/24"), site("198.51.100.0/24")]),
    ],
)
async def test_a_site_that_is_everywhere_or_nowhere_is_refused(
    world: World, field: str, sites: list[Site]
) -> None:
    """A network that is none, has host bits, or is the whole internet names its field and the way out."""
    with pytest.raises(InvalidInput) as refusal:
        await world.services.suppliers.create(world.who("dsi"), world.id, name="Autre", sites=sites)
    assert refusal.value.field == field


async def test_a_supplier_keeps_its_name_and_its_sites_decide(world: World) -> None:
    """A name taken is a Conflict; when the sites change, the next decision follows them (C2)."""
    suppliers, dsi = world.services.suppliers, world.who("dsi")
    with pytest.raises(Conflict):
        await suppliers.create(dsi, world.id, name="Imagix", sites=[site("192.0.2.0/24")])
    other = await suppliers.create(dsi, world.id, name="Autre", sites=[site("192.0.2.0/24")])
    with pytest.raises(Conflict):
        await suppliers.update(dsi, world.id, other.id, name="Imagix")
    await suppliers.update(dsi, world.id, world.supplier.id, sites=[site("198.51.100.0/24")])
    refused = await world.services.access.decide(world.request(source="127.0.0.1"))
    assert isinstance(refused, Denial)
    assert [finding.code for finding in refused.failed] == ["C2"]
    assert isinstance(await world.services.access.decide(world.request(source="198.51.100.9")), Grant)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": "Scan 02"}),
        ("address", {"address": "scan02.hopital.example"}),
        ("address", {"address": "0.0.0.0"}),
        ("address", {"address": "224.0.0.1"}),
        ("address", {"address": "fe80::1%eth0"}),
        ("port", {"port": 0}),
        ("port", {"port": 65536}),
        ("groups", {"groups": ["../x"]}),
        ("description", {"description": "a\x1b[31m"}),
        ("algorithms.kex", {"algorithms": Algorithms(kex=("foo",))}),
        ("algorithms.host_key", {"algorithms": Algorithms(host_key=("ssh-rsa", "rsa"))}),
        ("algorithms.encryption", {"algorithms": Algorithms(encryption=("hmac-sha1",))}),
        ("algorithms.mac", {"algorithms": Algorithms(mac=("a,b",))}),
    ],
)
async def test_a_device_that_makes_no_sense_is_refused_by_field(
    world: World, field: str, changes: dict[str, Any]
) -> None:
    """Names, addresses (never host names), ports, groups and algorithms are checked."""
    wanted: dict[str, Any] = {"name": "scan02", "zone_id": world.zone.id, "address": "192.0.2.7"}
    with pytest.raises(InvalidInput) as refusal:
        await world.services.devices.create(world.who("dsi"), world.id, **(wanted | changes))
    assert refusal.value.field == field


async def test_devices_and_zones_are_told_apart_by_name(world: World) -> None:
    """A second scan01 or zone of one name is a Conflict; an unknown zone is not found; a zone's address is an IP."""
    devices, dsi = world.services.devices, world.who("dsi")
    with pytest.raises(Conflict):
        await devices.create(dsi, world.id, name="scan01", zone_id=world.zone.id, address="192.0.2.7")
    with pytest.raises(NotFound):
        await devices.create(dsi, world.id, name="x", zone_id=ZoneId("0" * 32), address="192.0.2.7")
    with pytest.raises(Conflict):
        await devices.create_zone(dsi, world.id, name="imagerie")
    with pytest.raises(InvalidInput):
        await devices.create_zone(dsi, world.id, name="autre", source_address="eth0")


async def test_another_address_is_another_machine(world: World) -> None:
    """Changing address or port forgets host keys and secrets, or its administrator could have them sent to her own."""
    devices, dsi = world.services.devices, world.who("dsi")
    same = await devices.update(dsi, world.id, world.device.id, description="Scanner 2", groups=["radio"])
    assert same.host_keys == world.device.host_keys
    assert same.groups == {"radio"}
    assert await devices.get(dsi, world.id, world.device.id) == same
    moved = await devices.update(dsi, world.id, world.device.id, port=2222)
    assert moved.host_keys == ()
    await devices.pin_host_key(dsi, world.id, world.device.id, host_key_line())
    refused = await world.services.access.decide(world.request())
    assert isinstance(refused, Denial)
    assert [finding.key for finding in refused.failed] == ["finding.T9.unvaulted"]
    [account] = await devices.accounts(dsi, world.id, world.device.id)
    with pytest.raises(Conflict):
        await world.services.device_tasks.request(
            dsi, world.id, TaskKind.TRY_ACCOUNT, world.device.id, account_id=account.id
        )
    await devices.replace_secret(dsi, world.id, account.id, world.account_secret)
    assert isinstance(await world.services.access.decide(world.request()), Grant)


async def test_host_keys_are_pinned_and_unpinned_by_hand(world: World) -> None:
    """A key is pinned without its comment, once; it is taken away by line or fingerprint; junk is refused."""
    devices, dsi, line = world.services.devices, world.who("dsi"), host_key_line()
    two = await devices.pin_host_key(dsi, world.id, world.device.id, f"{line} root@scan01")
    assert two.host_keys == (*world.device.host_keys, line)
    assert (await devices.pin_host_key(dsi, world.id, world.device.id, line)).host_keys == two.host_keys
    one = await devices.unpin_host_key(dsi, world.id, world.device.id, line)
    assert one.host_keys == world.device.host_keys
    with pytest.raises(NotFound):
        await devices.unpin_host_key(dsi, world.id, world.device.id, line)
    for junk in ("", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa-cert-v01@openssh.com AAAA"):
        with pytest.raises(InvalidInput):
            await devices.pin_host_key(dsi, world.id, world.device.id, junk)


async def test_one_secret_serves_one_account(world: World) -> None:
    """The same secret on another account is SecretReused (T9), and leaves no account behind."""
    devices, dsi = world.services.devices, world.who("dsi")
    other = await world.add_device("ris02")
    with pytest.raises(SecretReused):
        await devices.add_account(
            dsi, world.id, other.id, name="param", method=AccountMethod.PASSWORD, secret=world.account_secret
        )
    assert [one.name for one in await devices.accounts(dsi, world.id, other.id)] == ["maint"]
    with pytest.raises(Conflict):
        await devices.add_account(
            dsi, world.id, other.id, name="maint", method=AccountMethod.PASSWORD, secret=Secret("another")
        )
    with pytest.raises(InvalidInput):
        await devices.add_account(
            dsi, world.id, other.id, name="param", method=AccountMethod.KEY, secret=Secret("no key")
        )
    theirs = (await devices.accounts(dsi, world.id, other.id))[0]
    with pytest.raises(SecretReused):
        await devices.replace_secret(dsi, world.id, theirs.id, world.account_secret)


async def test_a_replaced_secret_is_what_the_vault_releases(world: World) -> None:
    """After the replacement the grant opens the new secret; a suspended account opens none."""
    grant, fresh = await world.grant(), Secret("a fresh secret of its own")
    await world.services.devices.replace_secret(world.who("dsi"), world.id, world.account.id, fresh)
    assert (await world.services.vault.release(grant)).secret == fresh
    await world.services.devices.suspend_account(
        world.who("rssi"), world.id, world.account.id, reason="fuite"
    )
    with pytest.raises(VaultError):
        await world.services.vault.release(grant)
    await world.services.devices.resume_account(
        world.who("rssi"), world.id, world.account.id, reason="changé"
    )
    assert (await world.services.vault.release(grant)).secret == fresh


@pytest.mark.parametrize("scope", list(RevocationScope))
async def test_a_cut_of_nothing_is_refused(world: World, scope: RevocationScope) -> None:
    """A target that does not exist, a cut of all that names one, and a cut without a reason change nothing."""
    cut, rssi = world.services.revocations.cut, world.who("rssi")
    with pytest.raises((NotFound, InvalidInput)):
        await cut(rssi, world.id, scope, "0" * 32, "soupçon")
    with pytest.raises(InvalidInput):
        await cut(rssi, world.id, RevocationScope.ALL, "", " ")
    assert await world.services.revocations.list(rssi, world.id, world.clock.now() - timedelta(days=1)) == []


async def test_a_task_is_claimed_by_one_gateway(world: World) -> None:
    """Of many gateways that ask at once exactly one gets the task, with all it needs to dial."""
    tasks, dsi = world.services.device_tasks, world.who("dsi")
    asked = await tasks.request(
        dsi, world.id, TaskKind.TRY_ACCOUNT, world.device.id, account_id=world.account.id
    )
    claims = await asyncio.gather(*(tasks.claim(world.id, f"gw{number}") for number in range(5)))
    grants = [claim for claim in claims if claim is not None]
    assert len(grants) == 1
    grant = grants[0]
    assert (grant.task_id, grant.address, grant.host_keys) == (asked.id, "127.0.0.1", world.device.host_keys)
    assert grant.account is not None
    assert (await world.services.vault.release(grant)).secret == world.account_secret
    told = "secret\u00a0: \nrefused\x1b[2J"
    done = await tasks.finish(grant, TaskResult(ok=False, detail=told))
    assert (done.state, done.node) == (TaskState.FAILED, grant.node)
    assert done.result == TaskResult(ok=False, detail="secret\u00a0: \ufffdrefused\ufffd[2J")
    with pytest.raises(NotFound):
        await tasks.finish(grant, TaskResult(ok=True))


async def test_a_neighbour_s_gateway_is_handed_no_task(world: World) -> None:
    """The gateway of another hospital in the same databases dials none of this one's devices."""
    tasks = world.services.device_tasks
    await tasks.request(world.who("dsi"), world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    assert await tasks.claim(HospitalId("0" * 32), "elsewhere") is None
    assert await tasks.claim(world.id, "gw1") is not None


async def test_host_keys_fetched_are_a_proposal(world: World) -> None:
    """What a device shows is kept with the task, without comments, and nothing of it is pinned."""
    tasks, dsi, line = world.services.device_tasks, world.who("dsi"), host_key_line()
    asked = await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    grant = await tasks.claim(world.id, "gw1")
    assert grant is not None
    with pytest.raises(InvalidInput):
        await tasks.finish(grant, TaskResult(ok=True, host_keys=("two\nlines",)))
    await tasks.finish(grant, TaskResult(ok=True, host_keys=(f"{line} hostile comment",)))
    shown = await tasks.get(dsi, world.id, asked.id)
    assert shown.result == TaskResult(ok=True, host_keys=(line,))
    assert (
        await world.services.devices.get(dsi, world.id, world.device.id)
    ).host_keys == world.device.host_keys


async def test_a_task_that_may_no_longer_be_done_is_failed(world: World, clock: ManualClock) -> None:
    """A device suspended meanwhile is not dialled: the task says so. A task nobody took in time is left alone."""
    tasks, dsi = world.services.device_tasks, world.who("dsi")
    asked = await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    await world.services.devices.suspend(dsi, world.id, world.device.id, reason="isolée")
    assert await tasks.claim(world.id, "gw1") is None
    failed = await tasks.get(dsi, world.id, asked.id)
    assert failed.state is TaskState.FAILED
    assert failed.result is not None
    assert "suspended" in failed.result.detail
    with pytest.raises(Conflict):
        await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    await world.services.devices.resume(dsi, world.id, world.device.id, reason="revenue")
    await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    clock.advance(ASKED_FOR + timedelta(seconds=1))
    assert await tasks.claim(world.id, "gw1") is None


async def test_a_task_that_makes_no_sense_is_refused(world: World) -> None:
    """An account to fetch keys with, none to try, another device's, or no pinned key to send a secret to."""
    tasks, dsi = world.services.device_tasks, world.who("dsi")
    other = await world.add_device("ris02")
    bare = await world.services.devices.create(
        dsi, world.id, name="nu", zone_id=world.zone.id, address="192.0.2.7"
    )
    account = await world.services.devices.add_account(
        dsi, world.id, bare.id, name="maint", method=AccountMethod.PASSWORD, secret=Secret("unlike any other")
    )
    with pytest.raises(InvalidInput):
        await tasks.request(
            dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id, account_id=world.account.id
        )
    with pytest.raises(InvalidInput):
        await tasks.request(dsi, world.id, TaskKind.TRY_ACCOUNT, world.device.id)
    with pytest.raises(NotFound):
        await tasks.request(dsi, world.id, TaskKind.TRY_ACCOUNT, other.id, account_id=world.account.id)
    with pytest.raises(Conflict):
        await tasks.request(dsi, world.id, TaskKind.TRY_ACCOUNT, bare.id, account_id=account.id)
    assert await tasks.list(dsi, world.id) == []


async def test_an_intervention_goes_its_way_and_not_backwards(world: World) -> None:
    """Held, resumed, closed; what is closed is neither held nor cancelled, and opens nothing."""
    interventions, dsi, which = world.services.interventions, world.who("dsi"), world.window.intervention_id
    await interventions.hold(dsi, world.id, which, reason="attente")
    await interventions.resume(dsi, world.id, which, reason="pièce reçue")
    assert isinstance(await world.services.access.decide(world.request()), Grant)
    await interventions.close(dsi, world.id, which, reason="atteint")
    for refused in (
        interventions.hold(dsi, world.id, which, reason="x"),
        interventions.resume(dsi, world.id, which, reason="x"),
        interventions.cancel(dsi, world.id, which, reason="x"),
    ):
        with pytest.raises(Conflict):
            await refused
    assert isinstance(await world.services.access.decide(world.request()), Denial)
