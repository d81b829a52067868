"""The kernel's filter, as far as the flow broker may change it: the elements of two sets, and nothing else."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any, Final

from ecluse.flows.request import Place, Refused

FAMILY: Final = "inet"
TABLE: Final = "ecluse"
SETS: Final = {4: "open4", 6: "open6"}
PATIENCE: Final = 5.0
"""Seconds that one change may take; it takes a hundredth."""


class Filter:
    """Adds and removes elements by ``nft -j``, each change in one transaction. Blocks while it does."""

    def __init__(self, program: str) -> None:
        """Run *program*, the absolute path of nft."""
        self._program = program

    def clear(self) -> None:
        """Close every way; raises Refused("filter"), above all where the table is not loaded."""
        self._do([{"flush": {"set": _of(name)}} for name in SETS.values()])

    def change(self, seconds: Mapping[Place, int]) -> None:
        """Let each place be reached for its *seconds* from now, whatever was said of it before; for 0, no more.

        All in one transaction, or nothing; raises Refused("filter").
        """
        commands: list[dict[str, Any]] = []
        for place, allowed in seconds.items():
            # an element that stands there keeps its old timeout: it is removed first, and added before so that it can be
            commands += [_element("add", place), _element("delete", place)]
            if allowed:
                commands.append(_element("add", place, {"elem": {"val": _value(place), "timeout": allowed}}))
        self._do(commands)

    def _do(self, commands: list[dict[str, Any]]) -> None:
        try:
            done = subprocess.run(
                [self._program, "-j", "-f", "-"],
                input=json.dumps({"nftables": commands}).encode(),
                capture_output=True,
                timeout=PATIENCE,
                check=False,
                env={},
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Refused("filter", repr(error)) from error
        if done.returncode:
            raise Refused("filter", " ".join(done.stderr.decode("utf-8", "replace").split())[:400])


def _of(name: str) -> dict[str, Any]:
    return {"family": FAMILY, "table": TABLE, "name": name}


def _value(place: Place) -> dict[str, Any]:
    return {"concat": [place.address, place.port]}


def _element(verb: str, place: Place, element: dict[str, Any] | None = None) -> dict[str, Any]:
    return {verb: {"element": {**_of(SETS[place.version]), "elem": [element or _value(place)]}}}
