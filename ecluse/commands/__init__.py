"""The command tree, one module a noun: a module is loaded when its noun is asked for.

So that one command does not wait for what all the others import.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Final

import typer
from typer._click.core import Command
from typing_extensions import override

from ecluse.loading import loading
from ecluse.usage import spoken_below

MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "login": ("login",),
    "logout": ("login",),
    "whoami": ("login",),
    "enrol": ("enrol",),
    "search": ("search",),
    "why": ("why",),
    "ssh-config": ("ssh_config",),
    "init": ("init",),
    "serve": ("serve",),
    "gateway": ("gateway",),
    "console": ("console",),
    "airlock": ("airlock",),
    "doctor": ("doctor",),
    "self-audit": ("self_audit", "self_audit_keys"),
    "host-ca": ("host_ca",),
    "demo": ("demo",),
    "hospitals": ("hospitals",),
    "factors": ("factors",),
    "anchors": ("trust",),
    "login-ca": ("trust",),
    "suppliers": ("suppliers",),
    "people": ("people", "trust"),
    "engagements": ("engagements",),
    "zones": ("zones",),
    "devices": ("devices", "derogations"),
    "accounts": ("accounts", "authorities"),
    "hostkeys": ("hostkeys",),
    "interventions": ("interventions",),
    "windows": ("windows",),
    "extensions": ("extensions",),
    "reports": ("reports",),
    "sessions": ("sessions",),
    "traces": ("traces", "gaps"),
    "evidence": ("evidence",),
    "retention": ("retention",),
    "holds": ("holds",),
    "erasures": ("erasures",),
    "exercises": ("exercises",),
    "flows": ("flows", "flow_keys"),
    "audit": ("audit",),
    "alarms": ("alarms",),
    "tasks": ("tasks",),
    "tokens": ("tokens",),
    "config": ("config",),
    "vault": ("vault",),
    "readers": ("readers",),
    "nodes": ("nodes",),
    "db": ("db",),
    "backup": ("backup",),
}
"""Each noun's modules, in the order the help lists the nouns. The second of two only adds commands to the first one's group.

A module's ``group`` is the noun; where it is something else, ``register(root: typer.Typer) -> None`` adds it.
"""


class Nouns(Mapping[str, Command]):
    """The commands by noun, each made when it is first asked for."""

    @override
    def __getitem__(self, noun: str) -> Command:
        return _made(noun)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    @override
    def __len__(self) -> int:
        return len(MODULES)


@cache
def _made(noun: str) -> Command:
    root = typer.Typer()
    with loading():
        module, *_others = [import_module(f"{__name__}.{name}") for name in MODULES[noun]]
        if hasattr(module, "register"):
            module.register(root)
        else:
            root.add_typer(module.group, name=noun)
    spoken_below(root)
    return typer.main.get_group(root).commands[noun]
