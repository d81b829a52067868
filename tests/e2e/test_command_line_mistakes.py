"""Mistakes of every kind, at the real program: one clear sentence that names the field, and nothing changed."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ecluse.demo.scene import Scene
from policy.clock import SystemClock
from tests.support.bastion import running_bastion
from tests.support.stranger import Ran, Stranger, ecluse

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

NOUNS = ("suppliers", "people", "zones", "devices", "interventions", "windows", "tasks")
SITE = "Lyon,FR,192.0.2.0/24"
PLAN = (
    "windows",
    "plan",
    "--supplier",
    "Imagix",
    "--person",
    "alice",
    "--purpose",
    "x",
    "--channel",
    "shell",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A running installation, for all: no test here may change anything in it."""
    built = await Scene.build(tmp_path_factory.mktemp("mistakes") / "scene", SystemClock(), lambda _key: None)
    yield built
    await built.close()


@pytest.fixture
def operator(scene: Scene, tmp_path: Path) -> Stranger:
    """Somebody with every role of the hospital's side, at a machine of her own."""
    person = Stranger(tmp_path / "operator", "operator", scene.url, scene.data / "tls" / "ca.pem")
    person.environment["ECLUSE_API_TOKEN_FILE"] = str(scene.token_file)
    return person


def everything(scene: Scene) -> dict[str, list[Any]]:
    """Return all that the API shows of the hospital's state."""
    with scene.client(scene.troupe.operator) as api:
        return {noun: list(api.items(f"/v1/{noun}")) for noun in NOUNS}


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of each file under *folder*, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def clear(ran: Ran, *words: str) -> None:
    """Insist that a command failed with a sentence that holds *words*, and with no stack trace."""
    assert ran.status in {1, 2}, ran
    assert "Traceback" not in ran.text
    assert [word for word in words if word not in ran.text] == [], ran.text


async def test_wrong_arguments_change_nothing(scene: Scene, operator: Stranger) -> None:
    """Each wrong argument ends in a sentence that names what is wrong; the hospital is as it was."""
    before = await asyncio.to_thread(everything, scene)
    start = ("--device", "scan01", "--start")
    wrong: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("suppliers", "add", "Radio", "--site", "Lyon,FR,192.0.2.0/40"), ("192.0.2.0/40",)),
        (("suppliers", "add", "Radio", "--site", "Lyon,FR"), ("--site",)),
        (("people", "invite", "Not A Name", "--name", "X", "--email", "x@y.example"), ("login",)),
        (("people", "invite", "eve", "--name", "Eve"), ("--email",)),
        (("people", "invite", "eve", "--name", "E", "--email", "e@y.example", "--role", "king"), ("roles",)),
        (("devices", "add", "mri02", "--zone", "nowhere", "--address", "127.0.0.1"), ("nowhere",)),
        (
            ("devices", "add", "mri02", "--zone", "admin", "--address", "127.0.0.1", "--port", "0"),
            ("--port",),
        ),
        (("hostkeys", "pin", "scan01", "ssh-dss AAAA"), ("public_key",)),
        ((*PLAN, *start, "tomorrow", "--end", "22:00"), ("start:",)),
        ((*PLAN, *start, "2031-11-24 22:00", "--end", "2031-11-24 20:00"), ("end",)),
        ((*PLAN, *start, "2031-11-24 20:00", "--end", "22:00", "--channel", "x11"), ("--channel",)),
        ((*PLAN, "--device", "scan99", "--start", "2031-11-24 20:00", "--end", "22:00"), ("scan99",)),
        ((*PLAN, *start, "2031-11-24 20:00", "--end", "22:00", "--rrule", "FREQ=SOON"), ("--rrule",)),
        (("why", "alice", "scan01", "--at", "noon"), ("--at",)),
        (("why", "alice", "scan01", "--from", "here"), ("from:",)),
        (("sessions", "cut", "--reason", "x"), ("--all",)),
        (("traces", "verify", "ffffffff"), ("ffffffff",)),
        (("frobnicate",), ("frobnicate",)),
    ]
    for number in range(0, len(wrong), 3):
        some = wrong[number : number + 3]
        ended = await asyncio.gather(*(operator.run(*arguments) for arguments, _ in some))
        for ran, (_, words) in zip(ended, some, strict=True):
            clear(ran, *words)
    assert await asyncio.to_thread(everything, scene) == before


async def test_wrong_bodies_change_nothing(scene: Scene) -> None:
    """Each wrong body is refused as a problem that names the field (RFC 9457); the hospital is as it was."""
    before = await asyncio.to_thread(everything, scene)
    wrong: list[tuple[str, object, str]] = [
        ("suppliers", {"sites": []}, "name"),
        ("suppliers", {"name": "X", "sites": [], "extra": 1}, "extra"),
        (
            "suppliers",
            {"name": "X", "sites": [{"name": "L", "country": "FR", "networks": ["::/300"]}]},
            "networks",
        ),
        ("people", {"login": "../etc", "full_name": "X", "email": "x@y.example", "roles": []}, "login"),
        ("devices", {"name": "mri02", "zone_id": 7, "address": "127.0.0.1"}, "zone_id"),
        ("devices", {"name": "mri02", "zone_id": "f" * 32, "address": "127.0.0.1", "port": 65536}, "port"),
        ("windows", {"people": "alice"}, "people"),
        ("zones", [], "body"),
        ("zones", {"name": "a\u0000b"}, "name"),
    ]
    headers = {"Authorization": f"Bearer {scene.tokens['operator']}"}
    verified = ssl.create_default_context(cafile=scene.data / "tls" / "ca.pem")
    async with httpx.AsyncClient(
        base_url=scene.url, headers=headers, verify=verified, trust_env=False, timeout=60
    ) as client:
        for noun, body, field in wrong:
            answer = await client.post(f"/v1/{noun}", json=body)
            assert answer.status_code in {400, 422}, (noun, body, answer.text)
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert field in answer.text, answer.text
        for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
            answer = await client.post(
                "/v1/suppliers", content=content, headers={"Content-Type": "application/json"}
            )
            assert 400 <= answer.status_code < 500, (content[:20], answer.status_code)
            assert answer.headers["content-type"].startswith("application/problem+json")
    assert await asyncio.to_thread(everything, scene) == before


async def test_wrong_settings_start_nothing(scene: Scene, operator: Stranger, tmp_path: Path) -> None:
    """A wrong key or value in the file or the environment is named with its key, and neither program starts."""
    good = scene.config.read_text()
    wrong = [
        (good.replace("[gateway]", "[gateway]\nporte = 1"), {}, "gateway.porte"),
        (good.replace(f"port = {scene.ssh_port}", "port = 70000"), {}, "gateway.port"),
        (good.replace(f"port = {scene.ssh_port}", 'port = "ssh"'), {}, "gateway.port"),
        (good + "\n[nonsense]\n", {}, "nonsense"),
        (good + "\n= broken", {}, "line"),
        (good, {"ECLUSE_GATEWAY__PORT": "many"}, "gateway.port"),
    ]
    before = contents(scene.data / "keys")
    for number, (text, variables, key) in enumerate(wrong):
        assert text != good or variables
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        environment = operator.environment | variables
        for ran in await asyncio.gather(
            *(
                ecluse(*program, "--config", str(path), environment=environment)
                for program in (("config", "check"), ("serve",))
            )
        ):
            clear(ran, key)
    assert contents(scene.data / "keys") == before


async def test_an_installation_begun_wrongly_makes_nothing(operator: Stranger, tmp_path: Path) -> None:
    """One administrator, a broken one, an unknown time zone: nothing is made; a full folder is left as it is."""
    two = ("--administrator", "dsi:D:d@h.example", "--administrator", "denis:E:e@h.example")
    named = ("--hospital", "CH", "--contact", "RSSI")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("precious")
    new = tmp_path / "new"
    alone, broken, zone, taken = await asyncio.gather(
        operator.run("init", str(new), *named, *two[:2]),
        operator.run("init", str(new), *named, *two[:2], "--administrator", "denis"),
        operator.run("init", str(new), *named, *two, "--timezone", "Europe/Brive"),
        operator.run("init", str(full), *named, *two),
    )
    clear(alone, "administrator")
    clear(broken, "denis")
    clear(zone, "Europe/Brive")
    clear(taken, str(full))
    assert not new.exists()
    assert contents(full) == {str(full / "mine.txt"): hashlib.sha256(b"precious").hexdigest()}


async def test_hostile_login_names_open_nothing(tmp_path: Path) -> None:
    """Names that are none get the dialogue of an unknown person, right factors or not: refused, nothing dialled."""
    names = (
        "alice+",
        "+scan01",
        "alice++scan01",
        "alice+scan01+maint+more",
        "alice+../../etc/passwd",
        "alice+scan01;id",
        "alice+scan01\n",
        "Alice+scan01",
        "alicе+scan01",
        "alice+" + "s" * 4000,
        "alice'--+scan01",
        "%n%s+scan01",
    )
    async with running_bastion(tmp_path) as bastion:
        answers = bastion.answers()
        for name in names:
            ended = await bastion.client.ssh(name, "id", answers=answers * 3)
            assert (ended.rc, ended.stdout) == (255, b""), (name, ended)
        assert "Connection from" not in bastion.device.log()
        assert await bastion.events("authentication.succeeded") == []
