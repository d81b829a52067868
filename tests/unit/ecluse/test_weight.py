"""What a command loads before it runs: the servers' parts are for the commands that run a server."""

import pkgutil
import subprocess
import sys
from functools import cache

import pytest

from ecluse import commands

HEAVY = (  # pydantic itself is loaded by Typer
    "fastapi",
    "uvicorn",
    "alembic",
    "asyncssh",
    "sqlalchemy",
    "pydantic_settings",
    "asyncpg",
    "argon2",
)
LOADED = "import sys; sys.argv = list({arguments!r})\ntry:\n    from ecluse.main import run; run()\nexcept SystemExit:\n    pass\nprint('LOADED', *sorted(sys.modules))"


@cache
def loaded(*arguments: str) -> frozenset[str]:
    """Return the modules that are loaded once the command with these *arguments* has run."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)],
        env={"ECLUSE_STATE": "/nonexistent", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = frozenset(done.stdout.splitlines()[-1].split())
    assert "ecluse.main" in found
    return found


@pytest.mark.parametrize(
    "arguments", [["ecluse", "--help"], ["ecluse", "why", "alice", "scan01"], ["ecluse", "serve", "--help"]]
)
def test_a_client_of_the_api_loads_no_server(arguments: list[str]) -> None:
    """Help and the API's commands start without a web framework, a database, migrations or an SSH library."""
    assert loaded(*arguments).intersection(HEAVY) == set()


def test_a_command_loads_no_other_noun() -> None:
    """Who asks one thing does not wait for the imports of all the rest, which the help of the root alone lists."""
    done = loaded("ecluse", "why", "alice", "scan01")
    assert {name for name in done if name.startswith("ecluse.commands.")} == {"ecluse.commands.why"}
    assert not done.intersection(
        {"cryptography", "asn1crypto", "babel.messages.extract", "policy.domain.access"}
    )


def test_a_gateway_loads_no_web_framework() -> None:
    """It brings its events into the journal by the console's own code, and starts without the console's pages and server."""
    done = loaded("ecluse", "gateway", "--config", "/nonexistent")
    assert "gateway.server.listener" in done
    assert not done.intersection({"fastapi", "uvicorn", "jinja2", "aiosmtplib", "multipart"})


def test_a_supervisor_loads_no_database() -> None:
    """It reads the settings and starts two programs, and stays in memory beside them."""
    done = loaded("ecluse", "serve", "--config", "/nonexistent")
    assert "ecluse.sections" in done
    assert not done.intersection({"sqlalchemy", "fastapi", "asyncssh", "alembic"})


def test_a_look_at_the_machine_loads_no_server() -> None:
    """Whoever looks whether the console's work is done reads the journal, and answers nobody."""
    done = loaded("ecluse", "doctor", "--config", "/nonexistent")
    assert "ecluse.diagnosis.proofs" in done
    assert not done.intersection({"fastapi", "uvicorn", "jinja2", "alembic", "asyncssh"})


@pytest.mark.parametrize("program", ["gateway", "console"])
def test_a_server_loads_no_migrations(program: str) -> None:
    """It looks whether it can use the databases; who brings them forward is somebody else."""
    done = loaded("ecluse", program, "--config", "/nonexistent")
    assert "schema.migrations" in done
    assert not done.intersection({"alembic", "mako", "policy.store.migrations.env"})


def test_a_console_loads_neither_ssh_nor_a_terminal() -> None:
    """Nobody comes to it by SSH, and what devices wrote on a screen is read by workers of their own."""
    done = loaded("ecluse", "console", "--config", "/nonexistent")
    assert "admin_api.app" in done
    assert not done.intersection({"asyncssh", "gateway.server", "gateway.session", "pyte"})


def test_every_module_is_a_noun_s() -> None:
    """No module of commands is left out of the table, and each noun there is registered by its modules."""
    there = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert {module for modules in commands.MODULES.values() for module in modules} == there
    assert [noun for noun, command in commands.Nouns().items() if command.name != noun] == []
