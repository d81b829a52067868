"""A change of the vault's key: it may crash anywhere, and no secret is lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from policy.clock import ManualClock
from policy.errors import PolicyError, VaultError
from policy.services.vault import Rotation, RotationProgress, RotationStep, VaultService
from policy.store.database import Database
from policy.vault import keyfiles
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret
from tests.support.facts import ACCOUNT, DURING, make_grant
from tests.support.login_house import House, open_house
from tests.support.vaulted import PASSWORD, Vaulted, account, open_vault


@pytest.fixture
async def vaulted(tmp_path: Path) -> AsyncIterator[Vaulted]:
    """A vault that holds the secret of scan01's account maint."""
    async with open_vault(tmp_path) as made:
        yield made


class CrashError(Exception):
    """The process dies here."""


async def fill(vaulted: Vaulted, number: int) -> dict[str, Secret]:
    """Add accounts until there are *number*, and return every secret by account id."""
    secrets = {str(ACCOUNT.id): PASSWORD}
    for index in range(1, number):
        extra = account(f"extra{index}")
        secrets[str(extra.id)] = Secret(f"secret-number-{index}")
        await vaulted.add(extra, secrets[str(extra.id)])
    return secrets


async def opened(vaulted: Vaulted, directory: Path) -> dict[str, Secret]:
    """Every account's secret, opened by a process that has just started."""
    keyring = Keyring.load(directory)
    async with vaulted.database.read() as view:
        rows = await view.sealed.not_under("k0", 10_000)
    return {row.owner: keyring.open(row.sealed, row.context) for row in rows}


async def test_rotation_seals_everything_anew(vaulted: Vaulted, tmp_path: Path) -> None:
    """A new key is current, every row is under it, every secret opens as before, fingerprints stand."""
    secrets = await fill(vaulted, 230)
    old = vaulted.keyring.current
    before = await vaulted.column("SELECT fingerprint FROM account_secrets ORDER BY account_id")
    seen: list[RotationProgress] = []
    done = await vaulted.vault.rotate(seen.append)
    assert done == Rotation(key_id=vaulted.keyring.current, resealed=230, resumed=False)
    assert done.key_id != old
    assert [each.resealed for each in seen] == [0, 0, 100, 200, 230]
    assert await opened(vaulted, tmp_path / "keyring") == secrets
    assert not [s for s in await vaulted.column("SELECT sealed FROM account_secrets") if old in s]
    assert await vaulted.column("SELECT fingerprint FROM account_secrets ORDER BY account_id") == before
    assert (
        await vaulted.column("SELECT name FROM outbox WHERE name = 'vault.resealed'")
        == ["vault.resealed"] * 3
    )


@pytest.mark.parametrize("crash_at", range(5))
async def test_a_rotation_that_crashes_after_any_step_is_finished_by_the_next(
    vaulted: Vaulted, tmp_path: Path, crash_at: int
) -> None:
    """Killed after the key was made, named current, or any batch: all opens, and one more call ends it."""
    secrets = await fill(vaulted, 230)
    steps = 0

    def dying(_progress: RotationProgress) -> None:
        nonlocal steps
        steps += 1
        if steps > crash_at:
            raise CrashError

    with pytest.raises(CrashError):
        await vaulted.vault.rotate(dying)
    assert await opened(vaulted, tmp_path / "keyring") == secrets
    keyring = Keyring.load(tmp_path / "keyring")
    again = await VaultService(vaulted.database, keyring, vaulted.clock).rotate()
    assert again.resumed == (crash_at in {1, 2, 3})
    assert await opened(vaulted, tmp_path / "keyring") == secrets
    async with vaulted.database.read() as view:
        assert await view.sealed.not_under(keyring.current, 1) == []
    expected_keys = 3 if crash_at == 4 else 2
    assert len(keyfiles.key_ids(tmp_path / "keyring")) == expected_keys


@pytest.mark.parametrize("function", ["write_new_key", "write_current", "_sync", "_write"])
@pytest.mark.parametrize("after", [0, 1])
async def test_a_disk_that_fails_in_a_rotation_loses_nothing(
    vaulted: Vaulted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, after: int
) -> None:
    """Whichever write of the keyring fails, before or after it took effect, all secrets open and a retry ends it."""
    secrets = await fill(vaulted, 3)
    real = getattr(keyfiles, function)

    def failing(*arguments: object) -> None:
        if after:
            real(*arguments)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(keyfiles, function, failing)
    with pytest.raises((VaultError, OSError)):
        await vaulted.vault.rotate()
    monkeypatch.undo()
    assert await opened(vaulted, tmp_path / "keyring") == secrets
    await VaultService(vaulted.database, Keyring.load(tmp_path / "keyring"), vaulted.clock).rotate()
    assert await opened(vaulted, tmp_path / "keyring") == secrets


async def test_a_crash_inside_a_batch_undoes_the_batch(
    vaulted: Vaulted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is one transaction: half of it is never kept."""
    secrets = await fill(vaulted, 5)
    old, real, sealed = vaulted.keyring.current, Keyring.seal, 0

    def dying(self: Keyring, plain: Secret, context: str) -> str:
        nonlocal sealed
        sealed += 1
        if sealed == 4:
            raise CrashError
        return real(self, plain, context)

    monkeypatch.setattr(Keyring, "seal", dying)
    with pytest.raises(CrashError):
        await vaulted.vault.rotate()
    monkeypatch.undo()
    assert all(old in each for each in await vaulted.column("SELECT sealed FROM account_secrets"))
    assert await opened(vaulted, tmp_path / "keyring") == secrets
    assert (await vaulted.vault.rotate()).resumed


async def test_a_secret_stored_by_another_process_during_a_rotation_is_kept(
    vaulted: Vaulted, tmp_path: Path
) -> None:
    """The console that stores a new password between two batches neither loses it nor stops the rotation."""
    await fill(vaulted, 150)
    console = VaultService(vaulted.database, Keyring.load(tmp_path / "keyring"), vaulted.clock)
    started, go_on = threading.Event(), threading.Event()

    def pause(progress: RotationProgress) -> None:
        if progress.step is RotationStep.KEY_CURRENT:
            started.set()
            assert go_on.wait(60)

    def rotate() -> None:
        asyncio.run(rotate_elsewhere(tmp_path, pause))

    thread = threading.Thread(target=rotate)
    thread.start()
    assert await asyncio.to_thread(started.wait, 60)
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await console.store_secret(work, ACCOUNT, Secret("stored-meanwhile-1"))
    go_on.set()
    await asyncio.to_thread(thread.join, 60)
    async with vaulted.database.read() as view:
        assert await view.sealed.not_under(vaulted.keyring.current, 1) == []
    assert (await vaulted.vault.release(make_grant())).secret == Secret("stored-meanwhile-1")


async def rotate_elsewhere(directory: Path, progress: Callable[[RotationProgress], None]) -> None:
    """Rotate as another process would: its own engine, its own keyring."""
    database = await Database.open(f"sqlite:///{directory / 'policy.sqlite'}")
    try:
        keyring = Keyring.load(directory / "keyring")
        await VaultService(database, keyring, ManualClock(DURING)).rotate(progress)
    finally:
        await database.close()


async def test_a_secret_that_does_not_open_stops_the_rotation_by_name(vaulted: Vaulted) -> None:
    """The message says whose secret must be stored anew; nothing is overwritten."""
    await vaulted.add(account("param"), Secret("another-secret-7"))
    async with vaulted.database.unit_of_work(None, vaulted.clock) as work:
        await work.connection.execute(
            text("UPDATE account_secrets SET sealed = 'damaged' WHERE account_id = 'id-param'")
        )
    with pytest.raises(VaultError, match="account-secret of id-param"):
        await vaulted.vault.rotate()
    assert (await vaulted.vault.release(make_grant())).secret == PASSWORD
    await vaulted.add(account("param"), Secret("stored-anew-77"))
    assert (await vaulted.vault.rotate()).resealed == 2


async def test_a_second_rotation_waits_for_the_first(vaulted: Vaulted, tmp_path: Path) -> None:
    """Two administrators do not rotate at once."""
    other = VaultService(vaulted.database, Keyring.load(tmp_path / "keyring"), vaulted.clock)
    with vaulted.keyring.exclusive(), pytest.raises(VaultError, match="under way"):
        await other.rotate()


async def test_pruning_destroys_only_retired_keys_that_nothing_needs(
    vaulted: Vaulted, tmp_path: Path
) -> None:
    """Not the current key, not one with rows under it, not one just retired."""
    old = vaulted.keyring.current
    vaulted.clock.set(vaulted.clock.now() + timedelta(days=3650))
    assert await vaulted.vault.prune() == ()
    vaulted.keyring.make_current(vaulted.keyring.add_key())
    assert await vaulted.vault.prune() == ()
    assert (await vaulted.vault.rotate()).resumed
    assert await vaulted.vault.prune() == (old,)
    assert old not in keyfiles.key_ids(tmp_path / "keyring")
    assert list((await opened(vaulted, tmp_path / "keyring")).values()) == [PASSWORD]
    assert await vaulted.column("SELECT subject FROM outbox WHERE name = 'vault.key_destroyed'") == [old]


async def test_people_log_in_before_during_and_after_a_rotation(tmp_path: Path) -> None:
    """TOTP secrets are sealed anew too, those of an enrolment under way included."""
    async with open_house(tmp_path) as house:
        await log_in(house, "alice")
        vault = VaultService(house.database, house.keyring, house.clock)
        assert (await vault.rotate()).resealed == 3
        await log_in(house, "bob")
        house.clock.set(house.clock.now() + timedelta(days=3650))
        assert len(await vault.prune()) == 1
        await log_in(house, "mallory")
        with pytest.raises(PolicyError):
            await (await house.login.begin("nobody", "192.0.2.1")).check_password_and_code(PASSWORD, "000000")
        assert house.outcomes[-1].person_id is None


async def log_in(house: House, login: str) -> None:
    """Log in with both factors."""
    attempt = await house.login.begin(login, "192.0.2.1")
    await attempt.check_password_and_code(Secret("vif-Rhubarbe.41-tuba"), house.code())
