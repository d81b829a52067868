"""Who may read a process's metrics: this machine, or who has the token; nobody else learns even that they are there."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from admin_api.health import Health, Readiness, Standing
from ecluse import composition, settings
from ecluse.errors import SettingsError
from ecluse.observation.listener import Exposition
from ecluse.observation.metrics import ProcessMetrics
from policy.vault.secret import Secret

TOKEN = "0123456789abcdef0123456789abcdef"
HOSPITAL = "0" * 32


def metrics(standing: Standing = Standing.GOOD) -> ProcessMetrics:
    """Return metrics of one value, of a process that is so."""
    registry = CollectorRegistry()
    Gauge("ecluse_ready", "One.", registry=registry).set(1)

    async def readings() -> Readiness:
        return Readiness({"policy": standing})

    async def refresh() -> None:
        return None

    return cast(ProcessMetrics, SimpleNamespace(registry=registry, readings=readings, refresh=refresh))


async def asked(
    path: str,
    *,
    source: str = "127.0.0.1",
    token: str | None = None,
    shown: str | None = None,
    standing: Standing = Standing.GOOD,
    method: str = "GET",
) -> httpx.Response:
    """Ask for *path* from *source*, of a listener with *token*, showing the header *shown*."""
    told = metrics(standing)
    app = Health(Exposition(told, None if token is None else Secret(token)), probe=told.readings)
    headers: dict[bytes, bytes] = {} if shown is None else {b"Authorization": shown.encode("latin-1")}
    transport = httpx.ASGITransport(app=app, client=(source, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("source", "token", "shown", "status"),
    [
        ("127.0.0.1", None, None, 200),
        ("::1", None, None, 200),
        ("::ffff:127.0.0.1", None, None, 200),
        ("192.0.2.7", None, None, 403),
        ("::ffff:192.0.2.7", None, None, 403),
        ("@", None, None, 403),
        ("127.0.0.1", TOKEN, None, 401),
        ("192.0.2.7", TOKEN, None, 401),
        ("192.0.2.7", TOKEN, f"Bearer {TOKEN}", 200),
        ("192.0.2.7", TOKEN, f"Bearer {TOKEN[:-1]}", 401),
        ("192.0.2.7", TOKEN, "Bearer ", 401),
        ("192.0.2.7", TOKEN, TOKEN, 401),
        ("192.0.2.7", TOKEN, f"Bearer {TOKEN}\xe9", 401),
    ],
)
async def test_who_may_read_metrics(source: str, token: str | None, shown: str | None, status: int) -> None:
    """This machine where no token is set, whoever shows the whole token where one is; else nothing is told."""
    answer = await asked("/metrics", source=source, token=token, shown=shown)
    assert answer.status_code == status
    assert ("ecluse_ready 1.0" in answer.text) == (status == 200)


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 405)])
async def test_nothing_else_is_there(path: str, method: str, status: int) -> None:
    """Three paths, to read."""
    assert (await asked(path, method=method)).status_code == status


@pytest.mark.parametrize(
    ("standing", "status"), [(Standing.GOOD, 200), (Standing.DEGRADED, 200), (Standing.FAILED, 503)]
)
async def test_a_balancer_learns_the_state_without_a_token(standing: Standing, status: int) -> None:
    """``/readyz`` says 503 where something failed and 200 where it is degraded; ``/healthz`` says that it lives."""
    ready = await asked("/readyz", source="192.0.2.7", token=TOKEN, standing=standing)
    assert (ready.status_code, ready.json()) == (
        status,
        {"status": standing.value, "checks": {"policy": standing.value}},
    )
    alive = await asked("/healthz", source="192.0.2.7", token=TOKEN, standing=standing)
    assert (alive.status_code, alive.json()) == (200, {"status": "good"})


@pytest.mark.parametrize(
    ("host", "token", "said"),
    [
        ("0.0.0.0", None, "metrics_open"),
        ("10.0.0.4", None, "metrics_open"),
        ("bastion", None, "metrics_open"),
        ("10.0.0.4", "short", "metrics_short"),
        ("10.0.0.4", TOKEN, None),
        ("127.0.0.1", None, None),
        ("::1", None, None),
        ("localhost", None, None),
    ],
)
def test_metrics_are_not_shown_to_a_network_without_a_token(
    tmp_path: Path, host: str, token: str | None, said: str | None
) -> None:
    """The settings are refused that would show metrics to whoever comes, or by a token that could be guessed."""
    values: dict[str, object] = {"metrics_host": host, "metrics_port": 9464}
    if token is not None:
        file = tmp_path / "token"
        file.write_text(token + "\n")
        values["metrics_token_file"] = str(file)
    chosen = settings.build(
        {"data_dir": str(tmp_path), "hospital_id": HOSPITAL, "gateway": values}, "ecluse.toml"
    )
    if said is None:
        found = composition.observation_settings(chosen, "gateway")
        assert found is not None
        assert (found.host, found.port, found.section) == (host, 9464, "gateway")
        return
    with pytest.raises(SettingsError) as refused:
        composition.observation_settings(chosen, "gateway")
    assert refused.value.key == f"settings.{said}"
