"""The vault on a real store: what it takes in, and to whom it gives."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text
from typing_extensions import override

from policy.domain.access import Grant
from policy.domain.devices import AccountMethod, Algorithms, DedicatedAccount
from policy.domain.ids import DeviceId, TaskId
from policy.domain.tasks import TaskGrant, TaskKind
from policy.errors import InvalidInput, SecretReused, VaultError
from policy.vault.secret import Secret
from tests.support.facts import ACCOUNT, CLOSES, DEVICE, DURING, HOSPITAL, make_grant
from tests.support.vaulted import PASSWORD, Vaulted, account, open_vault


@pytest.fixture
async def vaulted(tmp_path: Path) -> AsyncIterator[Vaulted]:
    """A vault that holds the secret of scan01's account maint."""
    async with open_vault(tmp_path) as made:
        yield made


def task(kind: TaskKind, of: DedicatedAccount | None) -> TaskGrant:
    """The grant of a device task, issued during the window."""
    return TaskGrant(
        task_id=TaskId("t1"),
        hospital_id=HOSPITAL.id,
        kind=kind,
        device_id=DEVICE.id,
        device_name=DEVICE.name,
        address=DEVICE.address,
        port=DEVICE.port,
        source_address=None,
        algorithms=Algorithms(),
        host_keys=(),
        account=of,
        node="n1",
        issued_at=DURING,
    )


async def test_a_grant_releases_its_accounts_secret(vaulted: Vaulted) -> None:
    """The engine's grant gets the credential; the secret shows in no repr; the database holds no plain text."""
    credential = await vaulted.vault.release(make_grant())
    assert credential.method is AccountMethod.PASSWORD
    assert credential.secret == PASSWORD
    assert PASSWORD.reveal() not in repr(credential)
    (sealed,) = await vaulted.column("SELECT sealed FROM account_secrets")
    assert sealed.startswith("ecv1:")
    assert PASSWORD.reveal() not in sealed


@pytest.mark.parametrize("thing", ["scan01", "a1", None, ACCOUNT, DEVICE, {"account_id": "a1"}])
async def test_nothing_but_a_grant_releases_a_secret(vaulted: Vaulted, thing: object) -> None:
    """A name, an id, an account: refused."""
    with pytest.raises(VaultError, match="grant only"):
        await vaulted.vault.release(thing)  # type: ignore[arg-type]  # the attack itself


async def test_a_lookalike_of_a_grant_releases_nothing(vaulted: Vaulted) -> None:
    """A subclass with all the fields of a grant is not the engine's proof."""

    class Forged(Grant):
        @override
        def __post_init__(self, seal: object) -> None:
            """Take any seal."""

    real = make_grant()
    forged = object.__new__(Forged)
    for name in Grant.__dataclass_fields__:
        if name != "seal":
            object.__setattr__(forged, name, getattr(real, name))
    with pytest.raises(VaultError, match="grant only"):
        await vaulted.vault.release(forged)


async def test_a_grant_that_is_over_releases_nothing(vaulted: Vaulted) -> None:
    """At the window's end, which is exclusive, the vault closes."""
    grant = make_grant()
    vaulted.clock.set(CLOSES - timedelta(microseconds=1))
    await vaulted.vault.release(grant)
    vaulted.clock.set(CLOSES)
    with pytest.raises(VaultError, match="over"):
        await vaulted.vault.release(grant)


async def test_a_suspended_account_releases_nothing(vaulted: Vaulted) -> None:
    """Although the grant was issued while it was in service."""
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.accounts.update(replace(ACCOUNT, active=False))
    with pytest.raises(VaultError, match="no longer in service"):
        await vaulted.vault.release(make_grant())


async def test_an_account_without_a_secret_releases_nothing(vaulted: Vaulted) -> None:
    """The message says whose move it is."""
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.connection.execute(text("DELETE FROM account_secrets"))
    with pytest.raises(VaultError, match="planner"):
        await vaulted.vault.release(make_grant())


async def test_an_account_that_moved_to_another_device_releases_nothing(vaulted: Vaulted) -> None:
    """A grant for scan01 does not open what is now another device's account."""
    other = replace(DEVICE, id=DeviceId("d2"), name="scan02", groups=frozenset())
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.devices.insert(other)
        await work.accounts.update(replace(ACCOUNT, device_id=other.id))
    with pytest.raises(VaultError, match="no longer in service"):
        await vaulted.vault.release(make_grant())


async def test_swapped_envelopes_do_not_open(vaulted: Vaulted) -> None:
    """Whoever swaps two accounts' rows in the database gets neither secret to the other device."""
    await vaulted.add(account("param"), Secret("another-secret-7"))
    swap = text(
        "UPDATE account_secrets SET sealed = (SELECT other.sealed FROM account_secrets other"
        " WHERE other.account_id != account_secrets.account_id)"
    )
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.connection.execute(swap)
    with pytest.raises(VaultError) as refused:
        await vaulted.vault.release(make_grant())
    assert PASSWORD.reveal() not in str(refused.value)


async def test_plain_text_in_the_database_is_not_passed_on(vaulted: Vaulted) -> None:
    """A row that somebody filled in by hand is refused, not used."""
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.connection.execute(text("UPDATE account_secrets SET sealed = 'hunter2-in-the-open'"))
    with pytest.raises(VaultError) as refused:
        await vaulted.vault.release(make_grant())
    assert "hunter2" not in str(refused.value)


async def test_a_device_task_releases_the_account_it_tries_for_five_minutes(vaulted: Vaulted) -> None:
    """Trying an account needs its secret; later, or for a task without an account, nothing."""
    trying = task(TaskKind.TRY_ACCOUNT, ACCOUNT)
    assert (await vaulted.vault.release(trying)).secret == PASSWORD
    with pytest.raises(VaultError, match="logs in nowhere"):
        await vaulted.vault.release(task(TaskKind.FETCH_HOST_KEYS, None))
    vaulted.clock.advance(timedelta(minutes=5))
    with pytest.raises(VaultError, match="over"):
        await vaulted.vault.release(trying)


async def test_a_password_used_on_another_account_is_refused(vaulted: Vaulted) -> None:
    """T9: a secret is one account's own; the refused change leaves nothing behind."""
    with pytest.raises(SecretReused):
        await vaulted.add(account("param"), Secret(PASSWORD.reveal()))
    assert await vaulted.column("SELECT name FROM accounts") == ["maint"]
    assert await vaulted.column("SELECT account_id FROM account_secrets") == [ACCOUNT.id]


async def test_a_key_used_on_another_account_is_refused_in_any_encoding(vaulted: Vaulted) -> None:
    """The same private key as OpenSSH and as PKCS#8 is the same secret."""
    key = ec.generate_private_key(ec.SECP256R1())
    forms = [
        Secret(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())
        for form in (PrivateFormat.OpenSSH, PrivateFormat.PKCS8)
    ]
    await vaulted.add(account("first", AccountMethod.KEY), forms[0])
    with pytest.raises(SecretReused):
        await vaulted.add(account("second", AccountMethod.KEY), forms[1])


async def test_an_accounts_own_secret_can_be_stored_again_and_replaced(vaulted: Vaulted) -> None:
    """The same value again is no reuse; a new value replaces the old, which may then serve elsewhere."""
    await vaulted.add(ACCOUNT, PASSWORD)
    await vaulted.add(ACCOUNT, Secret("a-new-one-88"))
    assert (await vaulted.vault.release(make_grant())).secret == Secret("a-new-one-88")
    await vaulted.add(account("param"), PASSWORD)


@pytest.mark.parametrize("value", ["", "two\nlines", "nul\0", "x" * 1025, "maint", "MAINT"])
async def test_an_unfit_password_is_refused(vaulted: Vaulted, value: str) -> None:
    """Empty, several lines, oversized, or the account's own name, the default of many devices."""
    with pytest.raises(InvalidInput) as refused:
        await vaulted.add(ACCOUNT, Secret(value))
    assert refused.value.field == "secret"
    assert (await vaulted.vault.release(make_grant())).secret == PASSWORD


async def test_a_key_account_takes_a_private_key_only(vaulted: Vaulted) -> None:
    """A password where a key is due is refused before it is stored."""
    with pytest.raises(InvalidInput):
        await vaulted.add(account("keyed", AccountMethod.KEY), Secret("not a key"))
