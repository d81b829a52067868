"""Somebody at her own machine, with the command line and her token."""

import json
import logging
from pathlib import Path
from typing import Any

import structlog
from typer.testing import CliRunner, Result

from ecluse.main import app
from tests.support.api_house import House


class Desk:
    """Somebody's own machine: her token file and nothing else."""

    def __init__(self, house: House, folder: Path, login: str | None) -> None:
        self.environment = {"ECLUSE_STATE": str(folder / "state"), "LANG": "en_GB.UTF-8", "COLUMNS": "200"}
        if login is not None:
            token = folder / f"{login}.token"
            token.write_text(house.token(login).reveal())
            self.environment |= {
                "ECLUSE_API_URL": house.url,
                "ECLUSE_API_CA": str(house.ca),
                "ECLUSE_API_TOKEN_FILE": str(token),
            }

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        """Run ``ecluse`` with *arguments*; the log of this process, which the command takes over, is given back."""
        handlers = logging.getLogger().handlers[:]
        try:
            return CliRunner().invoke(app, list(arguments), env=self.environment, input=typed)
        finally:
            structlog.reset_defaults()
            logging.getLogger().handlers[:] = handlers

    def json(self, *arguments: str, typed: str | None = None) -> Any:
        """Run it for a script: exit code 0, and JSON."""
        done = self.run(*arguments, "--json", typed=typed)
        assert done.exit_code == 0, done.output
        # what is typed is echoed on a line before the document
        return json.loads(done.stdout if typed is None else done.stdout.partition("\n")[2])
