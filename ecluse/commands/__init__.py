"""The command tree, one module a noun: each registers itself on the root command."""

from ecluse.commands import (
    accounts,
    audit,
    devices,
    enrol,
    hospitals,
    hostkeys,
    interventions,
    login,
    people,
    sessions,
    suppliers,
    tasks,
    traces,
    why,
    windows,
    zones,
)

NOUNS = (
    login,
    enrol,
    hospitals,
    suppliers,
    people,
    zones,
    devices,
    accounts,
    hostkeys,
    interventions,
    windows,
    sessions,
    traces,
    audit,
    why,
    tasks,
)
"""Modules with ``register(root: typer.Typer) -> None``, in the order the help lists them."""
