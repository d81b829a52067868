"""A server that cannot start says why, once, and ends; one that can stops when it is asked to."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecluse import settings
from ecluse.presence import port_of
from tests.support.installed import change, ecluse


def expose(name: str) -> Callable[[Path], None]:
    """Open the file *name* to the group."""
    return lambda config: (config.parent / name).chmod(0o640)


def remove(name: str) -> Callable[[Path], None]:
    """Take the file *name* away."""
    return lambda config: (config.parent / name).unlink()


def truncate(name: str) -> Callable[[Path], None]:
    """Leave the first 60 bytes of *name*."""
    return lambda config: truncated(config.parent / name)


def truncated(path: Path) -> None:
    """Leave the first 60 bytes of *path*."""
    path.write_bytes(path.read_bytes()[:60])


def stale(name: str, table: str) -> Callable[[Path], None]:
    """Make the database *name* one of another version."""

    def make(config: Path) -> None:
        with sqlite3.connect(config.parent / name) as database:
            database.execute(f"UPDATE {table} SET version_num = '9999'")  # noqa: S608 - a name of this file's

    return make


def misspell(config: Path) -> None:
    """Write a setting that does not exist."""
    change(config, "gateway", "prot = 22")


def another_hospital(config: Path) -> None:
    """Name a hospital that the database does not know."""
    config.write_text(config.read_text().replace(settings.load(config).hospital_id, "0" * 32))


def expose_vault(config: Path) -> None:
    """Open the vault's key to others."""
    next((config.parent / "keys/vault").glob("k*.key")).chmod(0o644)


def nowhere(section: str) -> Callable[[Path], None]:
    """Listen at an address that is no machine's of ours (RFC 5737)."""
    return lambda config: change(config, section, 'host = "192.0.2.1"')


def share_keys(config: Path) -> None:
    """Let anybody put files beside the keys."""
    (config.parent / "keys").chmod(0o707)


CASES: list[tuple[str, Callable[[Path], None], str]] = [
    ("gateway", expose("keys/host_ed25519"), "others can reach it (mode 0640)"),
    ("gateway", expose("keys/trace-signing.pem"), "others can reach it (mode 0640)"),
    ("gateway", remove("keys/host_ecdsa"), "host_ecdsa cannot be read"),
    ("gateway", truncate("keys/host_ed25519"), "host_ed25519 cannot be used"),
    ("gateway", truncate("keys/trace-signing.pem"), "holds no unencrypted private key"),
    ("gateway", share_keys, "Anybody may put another file in the place of"),
    ("gateway", expose_vault, "can be read by others"),
    ("gateway", stale("policy.db", "alembic_version"), "has schema 9999"),
    ("gateway", stale("traces.db", "recorder_version"), "has schema 9999"),
    ("gateway", misspell, "gateway.prot: is not a setting"),
    ("gateway", another_hospital, "hospital_id in the settings is another installation's"),
    ("gateway", nowhere("gateway"), "gateway.host"),
    ("console", expose("tls/api.key"), "others can reach it (mode 0640)"),
    ("console", truncate("tls/api.pem"), "cannot speak TLS"),
    ("console", expose_vault, "can be read by others"),
    ("console", stale("traces.db", "recorder_version"), "has schema 9999"),
    ("console", another_hospital, "hospital_id in the settings is another installation's"),
    ("console", nowhere("console"), "console.host"),
]


def told(stderr: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The log's lines, and the lines for people."""
    lines = stderr.splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    return logged, [line for line in lines if not line.startswith("{")]


@pytest.mark.parametrize(("program", "spoil", "said"), CASES)
def test_what_keeps_a_server_from_starting_is_one_sentence(
    config: Path, program: str, spoil: Callable[[Path], None], said: str
) -> None:
    """Exit code 1, one line for people and one in the log that names the reason; no stack trace, nothing listening."""
    spoil(config)
    done = ecluse(program, "--config", str(config))
    logged, sentences = told(done.stderr)
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    assert len(sentences) == 1
    assert said in sentences[0]
    refused = [line for line in logged if line["event"] == "process.not_started"]
    assert [line["program"] for line in refused] == [program]
    assert said in refused[0]["reason"]
    assert port_of(config.parent / "run", program) is None


@pytest.mark.parametrize("program", ["gateway", "console"])
def test_a_port_that_is_taken_is_named(config: Path, program: str) -> None:
    """The sentence has the place and the setting to change, in the screen's language."""
    section = getattr(settings.load(config), program)
    with socket.create_server((section.host, section.port)):
        done = ecluse(program, "--config", str(config), language="fr")
    _, sentences = told(done.stderr)
    assert done.exit_code == 1
    assert len(sentences) == 1
    assert f"127.0.0.1:{section.port}" in sentences[0]
    assert f"changez {program}.port" in sentences[0]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_each_wrong_setting_is_a_line_of_its_own(config: Path, language: str) -> None:
    """Two mistakes give two lines, in the screen's language, and nothing is started."""
    change(config, "gateway", "port = 70000")
    change(config, "console", 'port = "x"')
    done = ecluse("serve", "--config", str(config), language=language)
    lines = done.stderr.splitlines()
    words = {"fr": ("au plus 65535", "nombre entier"), "en": ("at most 65535", "a whole number")}
    assert done.exit_code == 1
    assert len(lines) == 2
    assert words[language][0] in lines[0]
    assert words[language][1] in lines[1]


def test_a_user_who_is_not_there_keeps_both_from_starting(config: Path) -> None:
    """``serve`` refuses before it starts anything under a wrong user."""
    change(config, "console", 'user = "no-such-user"')
    done = ecluse("serve", "--config", str(config))
    assert (done.exit_code, "no user no-such-user" in done.stderr) == (1, True)


HANDING_OVER = 'exec 3<&"$0"; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
"""What a service manager does for a service with sockets (sd_listen_fds(3)), in a shell's words."""


async def heard(manager: socket.socket, fact: str) -> None:
    """Wait until the manager is told *fact*."""
    async with asyncio.timeout(60):
        while fact not in (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode().splitlines():
            pass


@pytest.mark.parametrize("program", ["gateway", "console"])
async def test_sigterm_ends_a_service_and_every_line_it_logged_names_the_hospital(
    config: Path, program: str, tmp_path: Path
) -> None:
    """It takes the manager's socket, says ready, lives, stopping, and ends with 0; each log line has hospital and node."""
    with (
        socket.create_server(("127.0.0.1", 0)) as handed,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", HANDING_OVER, str(handed.fileno())),
            *(sys.executable, "-m", "ecluse", program, "--config", str(config)),
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(handed.fileno(),),
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"},
        )
        try:
            await heard(manager, "READY=1")
            assert port_of(config.parent / "run", program) == handed.getsockname()[1]
            socket.create_connection(handed.getsockname()).close()
            await heard(manager, "WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            await heard(manager, "STOPPING=1")
            _, stderr = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    logged, sentences = told(stderr.decode())
    assert process.returncode == 0
    assert sentences == []
    assert {f"{program}.ready", f"{program}.stopped"} <= {line["event"] for line in logged}
    expected = {"hospital": settings.load(config).hospital_id, "node": "node1", "program": program}
    assert [line for line in logged if not expected.items() <= line.items()] == []
    assert port_of(config.parent / "run", program) is None


def test_a_socket_that_does_not_listen_keeps_a_server_from_starting(config: Path) -> None:
    """Handed something else, the gateway says which unit's line to look at, and does not listen where it likes."""
    with socket.socket() as other:
        done = subprocess.run(
            ["bash", "-c", HANDING_OVER, str(other.fileno()),
             sys.executable, "-m", "ecluse", "gateway", "--config", str(config)],
            check=False, capture_output=True, text=True, pass_fds=(other.fileno(),), timeout=60,
        )  # fmt: skip
    _, sentences = told(done.stderr)
    assert done.returncode == 1
    assert "descriptor 3" in sentences[0]
    assert ".socket" in sentences[0]
