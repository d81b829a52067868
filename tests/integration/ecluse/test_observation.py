"""What both real processes tell who watches them, over their own ports, and what dashboard and alert rules make of it."""

import contextlib
import json
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncssh
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ecluse.presence import port_of
from ecluse.settings import load
from tests.architecture.tree import ROOT
from tests.support.collector import Collector, collector
from tests.support.installed import change, install
from tests.support.raw_client import Answering
from tests.support.waiting import eventually, until

PROGRAMS = ("gateway", "console")
TOKEN = "0123456789abcdef0123456789abcdef"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
DEPLOY = ROOT / "deploy"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="promtool is not here (Debian: prometheus): alert rules and metrics are not tried",
)
SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gauge": ("",),
    "info": ("",),
}
NAMES = re.compile(r"\b(?:ecluse|process)_[a-z_]+\b")


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    """Where both processes send spans."""
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, spans: Collector) -> Path:
    """An installation whose processes are watched, by who has the token."""
    made = install(tmp_path_factory.mktemp("watched") / "data")
    token = made.parent / "keys/metrics-token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    for program in PROGRAMS:
        change(made, program, "metrics_port = 0")
        change(made, program, 'metrics_token_file = "keys/metrics-token"')
    made.write_text(f'{made.read_text()}\n[tracing]\nendpoint = "{spans.endpoint}"\n')
    return made


@pytest.fixture(scope="module")
def bases(config: Path) -> Iterator[dict[str, str]]:
    """Both processes, running: the address each is watched at."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "ecluse", program, "--config", str(config)], stderr=subprocess.DEVNULL
        )
        for program in PROGRAMS
    ]
    run = config.parent / "run"
    try:
        until(lambda: all(port_of(run, one, "watched") is not None for one in PROGRAMS), "both start")
        yield {one: f"http://127.0.0.1:{port_of(run, one, 'watched')}" for one in PROGRAMS}
    finally:
        for process in started:
            process.terminate()
        ended = [process.wait(60) for process in started]
    assert ended == [0, 0]


@pytest.fixture(scope="module")
def exported(bases: dict[str, str]) -> dict[str, str]:
    """What each process exports."""
    return {one: httpx.get(f"{base}/metrics", headers=SHOWN, timeout=60).text for one, base in bases.items()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_process_lives_is_ready_and_shows_metrics_for_the_token(
    bases: dict[str, str], exported: dict[str, str], program: str
) -> None:
    """200 for the balancer, 401 without the token, and with it the program's own metrics."""
    base = bases[program]
    assert httpx.get(f"{base}/healthz", timeout=60).status_code == 200
    until(lambda: httpx.get(f"{base}/readyz", timeout=60).status_code == 200, "it is ready")
    ready = httpx.get(f"{base}/readyz", timeout=60)
    assert (ready.status_code, ready.json()["status"]) == (200, "good")
    assert set(ready.json()["checks"]) >= {"policy", "traces", "accepting", "clock"}
    assert httpx.get(f"{base}/metrics", timeout=60).status_code == 401
    families = {family.name: family for family in text_string_to_metric_families(exported[program])}
    assert families["ecluse_build_info"].samples[0].labels["program"] == program
    assert families["ecluse_ready"].samples[0].value == 1


async def test_both_processes_send_spans_to_the_collector(
    bases: dict[str, str], config: Path, spans: Collector
) -> None:
    """A request of the console and a log-in at the gateway arrive there, by kinds; and what is lost is a metric."""
    chosen = load(config)
    context = ssl.create_default_context(cafile=str(chosen.authority))
    async with httpx.AsyncClient(verify=context, timeout=60) as client:
        answer = await client.get(f"https://127.0.0.1:{chosen.console.port}/v1/me")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1", chosen.gateway.port, username="nobody+there", config=None, agent_path=None,
            known_hosts=None, client_keys=None, client_factory=lambda: Answering(["wrong", "000000"] * 3),
        )  # fmt: skip
    await eventually(lambda: bool(spans.named("login.factor", "ecluse-gateway")))
    await eventually(lambda: bool(spans.named("http.request", "ecluse-console")))
    told = next(one.words for one in spans.named("http.request") if one.words["area"] == "api")
    assert told == {"area": "api", "method": "GET", "status": answer.status_code}
    assert spans.named("login.factor")[0].words["error"] == "AuthenticationFailed"
    assert b"nobody" not in b"".join(spans.bodies)
    async with httpx.AsyncClient(headers=SHOWN, timeout=60) as client:
        for base in bases.values():
            assert "ecluse_spans_dropped 0.0" in (await client.get(f"{base}/metrics")).text


def test_dashboard_and_alert_rules_name_what_is_exported(exported: dict[str, str]) -> None:
    """Each metric that the dashboard shows or a rule watches is one that a running process exports."""
    known = {
        family.name.removesuffix("_total") + suffix
        for text in exported.values()
        for family in text_string_to_metric_families(text)
        for suffix in SUFFIXES.get(family.type, ("",))
    }
    for name in ("grafana/ecluse.json", "prometheus/alerts.yml"):
        wanted = set(NAMES.findall((DEPLOY / name).read_text(encoding="utf-8")))
        assert len(wanted) >= 10
        assert wanted - known == set()


def test_each_part_of_the_dashboard_is_a_panel_with_a_question() -> None:
    """The dashboard is JSON that Grafana imports: panels of different numbers, none without its question."""
    board = json.loads((DEPLOY / "grafana/ecluse.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    asked = [panel for panel in panels if panel["type"] != "row"]
    assert len(asked) > 15
    assert all(target["expr"] for panel in asked for target in panel["targets"])


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        [PROMTOOL or "promtool", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_promtool
def test_alert_rules_fire_when_they_should_and_only_then() -> None:
    """Prometheus's own tool accepts the rules, and runs them over a day that is well and one that is ill."""
    checked = promtool("check", "rules", str(DEPLOY / "prometheus/alerts.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tried = promtool("test", "rules", str(DEPLOY / "prometheus/alerts.test.yml"))
    assert tried.returncode == 0, tried.stdout + tried.stderr


@needs_promtool
@pytest.mark.parametrize("program", PROGRAMS)
def test_metrics_are_named_as_the_field_names_them(exported: dict[str, str], program: str) -> None:
    """Prometheus's own tool finds no fault in what a process exports."""
    checked = promtool("check", "metrics", given=exported[program])
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_process_whose_database_is_gone_is_not_ready_until_it_is_back(
    config: Path, bases: dict[str, str]
) -> None:
    """Both answer 503 while the policy database cannot be used, and stay alive; both are ready again afterwards."""
    for broken, status in ((True, 503), (False, 200)):
        break_policy(config.parent / "policy.db", broken)
        for base in bases.values():
            until(partial(answers, base, status), f"{base}: {status}")
            assert httpx.get(f"{base}/healthz", timeout=60).status_code == 200


def answers(base: str, status: int) -> bool:
    """Tell whether the process at *base* says with *status* whether it is ready."""
    return httpx.get(f"{base}/readyz", timeout=60).status_code == status


def break_policy(database: Path, broken: bool) -> None:
    """Take from the policy database what both processes look for, or give it back."""
    here, there = ("outbox", "outbox_away")[:: 1 if broken else -1]
    turned = "'other-' || version_num" if broken else "substr(version_num, 7)"
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute(f"ALTER TABLE {here} RENAME TO {there}")
        connection.execute(f"UPDATE alembic_version SET version_num = {turned}")  # noqa: S608 - one of two above
    connection.close()


def test_silent_connections_take_nobody_s_answer(bases: dict[str, str]) -> None:
    """More connections than there are places, open and silent: a balancer that comes then is answered all the same."""
    for program in PROGRAMS:
        port = int(bases[program].rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert httpx.get(f"{bases[program]}/healthz", timeout=60).status_code == 200, program
