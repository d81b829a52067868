"""What a command loads before it runs: the servers' parts are for the commands that run a server."""

import subprocess
import sys

import pytest

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
LOADED = "import sys; sys.argv = {arguments!r}\ntry:\n    from ecluse.main import run; run()\nexcept SystemExit:\n    pass\nprint('LOADED', *sorted(sys.modules))"


@pytest.mark.parametrize(
    "arguments", [["ecluse", "--help"], ["ecluse", "why", "alice", "scan01"], ["ecluse", "serve", "--help"]]
)
def test_a_client_of_the_api_loads_no_server(arguments: list[str]) -> None:
    """Help and the API's commands start without a web framework, a database, migrations or an SSH library."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)],
        env={"ECLUSE_STATE": "/nonexistent", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "ecluse.main" in loaded
    assert loaded.intersection(HEAVY) == set()
