"""``ecluse doctor``: what is wrong with this machine, and the way out."""

import sys

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.diagnosis import Level, examine
from policy.clock import SystemClock

MARKS = {Level.GOOD: "✓", Level.NOTICE: "!", Level.FAILED: "✗"}


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("doctor")(doctor)


def doctor(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Look at permissions, keys, certificates, the clock, ports, disks and stores. Exit 1 where one fails.

    Example: ecluse doctor --config /var/lib/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    symptoms = list(examine(load(config), SystemClock()))
    rows = [
        (MARKS[symptom.level], symptom.subject, symptom.sentence, symptom.remedy or None) for symptom in symptoms
    ]
    documents = [
        {
            "subject": symptom.subject,
            "level": symptom.level.value,
            "sentence": symptom.sentence,
            "remedy": symptom.remedy,
        }
        for symptom in symptoms
    ]
    desk.show_table(("doctor.level", "doctor.subject", "doctor.sentence", "doctor.remedy"), rows, documents)
    if any(symptom.level is Level.FAILED for symptom in symptoms):
        sys.exit(1)
