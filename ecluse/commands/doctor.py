"""``ecluse doctor``: what is wrong with this machine, and the way out."""

import asyncio
import sys
from typing import TYPE_CHECKING

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk

if TYPE_CHECKING:
    from ecluse.diagnosis.symptom import Symptom


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("doctor")(doctor)


def doctor(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Look at permissions, keys, certificates, the clock, ports, disks and databases. Exit 1 where one fails.

    Example: ecluse doctor --config /var/lib/ecluse/ecluse.toml
    """
    from ecluse.diagnosis import examine
    from ecluse.diagnosis.symptom import MARKS, Level, document
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    symptoms = asyncio.run(examine(load(config), SystemClock()))
    said = [_said(desk, symptom) for symptom in symptoms]
    rows = [
        (MARKS[symptom.level], subject, sentence, remedy or None)
        for symptom, (subject, sentence, remedy) in zip(symptoms, said, strict=True)
    ]
    documents = [document(symptom, *words) for symptom, words in zip(symptoms, said, strict=True)]
    desk.show_table(("doctor.level", "doctor.subject", "doctor.sentence", "doctor.remedy"), rows, documents)
    if any(symptom.level is Level.FAILED for symptom in symptoms):
        sys.exit(1)


def _said(desk: Desk, symptom: "Symptom") -> tuple[str, str, str]:
    """Return what was looked at, how it is and the way out, in the desk's language."""
    from ecluse.wording import detailed

    subject, finding, remedy = symptom.subject, symptom.finding, symptom.remedy
    return (
        desk.say(subject.key, **subject.arguments),
        desk.say(finding.key, **detailed(finding.arguments, desk.language)),
        desk.say(remedy.key, **remedy.arguments) if remedy is not None else "",
    )
