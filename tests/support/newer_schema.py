"""Versions of a schema that nobody has made yet: what a program of today meets when its successor has migrated."""

from dataclasses import dataclass, replace
from pathlib import Path

from schema.migrations import Migrations

_SCRIPT = '''"""{title}"""

import sqlalchemy as sa
from alembic import op

from schema.operations import create_index

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None

kind = "{kind}"
{since}

def upgrade() -> None:
    {body}
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration more: its *kind*, what its ``upgrade`` does, and since which revision nobody uses what goes."""

    body: str
    kind: str = "expand"
    unused_since: str | None = None


def newer(migrations: Migrations, folder: Path, *steps: Step) -> Migrations:
    """Return *migrations* as the next version of the program knows them: with *steps*, written into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    before = migrations.head
    for step in steps:
        revision = f"{int(before) + 1:04}"
        since = f'unused_since = "{step.unused_since}"\n' if step.unused_since else ""
        text = _SCRIPT.format(
            title="A step of tomorrow.",
            revision=revision,
            before=before,
            kind=step.kind,
            since=since,
            body=step.body,
        )
        (folder / f"{revision}_tomorrow.py").write_text(text)
        before = revision
    return replace(migrations, further=(folder,))
