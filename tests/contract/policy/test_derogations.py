"""The register of derogations, and the authority that devices trust, on both databases."""

from datetime import timedelta

import pytest

from policy.domain.access import Denial, Grant
from policy.domain.authorities import AuthorityState
from policy.domain.devices import AccountMethod, Algorithms, Quirk
from policy.domain.tasks import TaskKind
from policy.errors import Conflict, InvalidInput, VaultError
from policy.vault.secret import Secret
from tests.support.policy_world import HALF_AN_HOUR, World

OLD = Algorithms(kex=("diffie-hellman-group1-sha1",), quirks=(Quirk.NO_IGNORE,))


async def make_old(world: World) -> None:
    """Say that scan01 is an old device."""
    await world.services.devices.update(world.who("dsi"), world.id, world.device.id, algorithms=OLD)


async def test_a_derogation_opens_an_old_device_until_it_is_taken_back(world: World) -> None:
    """Refused, accepted by the security referent, opened, withdrawn, refused; each an event with the decider."""
    await make_old(world)
    services, rssi = world.services, world.who("rssi")
    assert isinstance(await services.access.decide(world.request()), Denial)
    until = world.clock.now() + HALF_AN_HOUR
    made = await services.derogations.accept(rssi, world.id, world.device.id, reason="essai", until=until)
    assert [one.weakness for one in made] == list(OLD.weaknesses)
    granted = await services.access.decide(world.request())
    assert isinstance(granted, Grant)
    assert granted.ask_again_at == until
    await services.derogations.withdraw(rssi, world.id, made[0].id, reason="mis à jour")
    assert isinstance(await services.access.decide(world.request()), Denial)
    answers = await services.access.recheck([granted])
    assert isinstance(answers[granted.session_id], Denial)
    with pytest.raises(Conflict, match="over already"):
        await services.derogations.withdraw(rssi, world.id, made[0].id, reason="encore")
    _, events = await services.access.changes_since(0)
    told = [one for one in events if one.name.startswith("derogation.")]
    assert [one.name for one in told] == ["derogation.accepted"] * 2 + ["derogation.withdrawn"]
    assert {one.actor for one in told} == {rssi}


@pytest.mark.parametrize("days", [-1, 0, 367])
async def test_nobody_answers_for_ever_or_for_the_past(world: World, days: int) -> None:
    """A derogation ends after now and within a year."""
    await make_old(world)
    until = world.clock.now() + timedelta(days=days)
    with pytest.raises(InvalidInput, match="within 366 days"):
        await world.services.derogations.accept(
            world.who("rssi"), world.id, world.device.id, reason="essai", until=until
        )


async def test_only_what_the_device_has_is_answered_for(world: World) -> None:
    """A weakness that the device has not is refused by its name; a sound device needs none."""
    services, rssi, until = world.services, world.who("rssi"), world.clock.now() + HALF_AN_HOUR
    with pytest.raises(Conflict, match="no weakness"):
        await services.derogations.accept(rssi, world.id, world.device.id, reason="essai", until=until)
    await make_old(world)
    with pytest.raises(InvalidInput, match="mac=hmac-md5"):
        await services.derogations.accept(
            rssi, world.id, world.device.id, reason="essai", until=until, weaknesses=["mac=hmac-md5"]
        )


async def test_no_account_is_tried_on_a_device_that_nobody_answers_for(world: World) -> None:
    """A task that would send the secret is refused with the command to run; fetching keys sends none."""
    await make_old(world)
    dsi, tasks = world.who("dsi"), world.services.device_tasks
    with pytest.raises(Conflict, match="ecluse devices derogate scan01"):
        await tasks.request(dsi, world.id, TaskKind.TRY_ACCOUNT, world.device.id, account_id=world.account.id)
    await tasks.request(dsi, world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)


async def test_an_unpinned_key_is_refused_with_what_to_run_next(world: World) -> None:
    """No secret goes to a device that is not recognised; the refusal names the two commands."""
    dsi = world.who("dsi")
    for line in world.device.host_keys:
        await world.services.devices.unpin_host_key(dsi, world.id, world.device.id, line)
    with pytest.raises(Conflict, match=r"ecluse hostkeys fetch scan01.*ecluse hostkeys pin"):
        await world.services.device_tasks.request(
            dsi, world.id, TaskKind.TRY_ACCOUNT, world.device.id, account_id=world.account.id
        )


async def test_an_account_that_trusts_certificates_has_no_secret(world: World) -> None:
    """It needs an authority, refuses a secret, forgets the one it had, and can go back to a password."""
    services, dsi = world.services, world.who("dsi")
    certificate = AccountMethod.CERTIFICATE
    devices, account = services.devices, world.account.id
    with pytest.raises(Conflict, match="ca-make"):
        await devices.replace_secret(dsi, world.id, account, None, method=certificate)
    await services.authorities.make(dsi, world.id)
    with pytest.raises(InvalidInput, match="leave it out"):
        await devices.replace_secret(dsi, world.id, account, Secret("mot-de-passe"), method=certificate)
    await devices.replace_secret(dsi, world.id, account, None, method=certificate)
    async with services.database.read() as view:
        assert await view.accounts.sealed_secret(world.id, account) is None
    granted = await world.grant()
    credential = await services.vault.release(granted)
    assert credential.certificate is not None
    assert (await services.vault.release(granted)).secret != credential.secret
    with pytest.raises(InvalidInput):
        await devices.replace_secret(dsi, world.id, account, None, method=AccountMethod.PASSWORD)
    await devices.replace_secret(dsi, world.id, account, world.account_secret, method=AccountMethod.PASSWORD)
    assert (await services.vault.release(await world.grant())).secret == world.account_secret


async def test_each_certificate_is_in_the_outbox_before_it_is_used(world: World) -> None:
    """Who, for which session, by which authority, until when: and nothing that is secret."""
    services, dsi = world.services, world.who("dsi")
    authority = await services.authorities.make(dsi, world.id)
    await services.devices.replace_secret(
        dsi, world.id, world.account.id, None, method=AccountMethod.CERTIFICATE
    )
    granted = await world.grant()
    credential = await services.vault.release(granted)
    _, events = await services.access.changes_since(0)
    (told,) = (one for one in events if one.name == "account.certified")
    assert granted.session_id in str(told.after["key_id"])
    assert (told.after["principal"], told.after["authority"]) == ("maint@scan01", authority.fingerprint)
    assert credential.secret.reveal() not in repr(told)


async def test_a_retired_authority_signs_nothing_any_more(world: World) -> None:
    """After the switch the old key is gone from the vault, and the sealed rows are the new one's."""
    services, dsi = world.services, world.who("dsi")
    old = await services.authorities.make(dsi, world.id)
    coming = await services.authorities.make(dsi, world.id)
    assert (old.state, coming.state) == (AuthorityState.SIGNING, AuthorityState.COMING)
    await services.authorities.switch(dsi, world.id, coming.id)
    async with services.database.read() as view:
        signing = await view.authorities.signing(world.id)
    assert signing is not None
    assert signing[0].id == coming.id
    states = {one.id: one.state for one in await services.authorities.list(dsi, world.id)}
    assert states == {old.id: AuthorityState.RETIRED, coming.id: AuthorityState.SIGNING}
    with pytest.raises(VaultError, match="grant only"):
        await services.vault.release(coming)  # type: ignore[arg-type]  # the attack itself
