"""What a migration promises to programs that do not know it: that they can go on (expanding), or not (contracting).

Each migration says so in its module, and so does the database itself, of every migration it has seen: a program that is
older than the database reads there whether it is still served.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

_REVISION: Final = re.compile(r"[0-9a-z_]{1,32}")


class SchemaError(Exception):
    """A database cannot be used, or not be moved; the message says why, and names the way out."""


class Busy(SchemaError):
    """Others hold what the migration has to lock, or are migrating themselves: nothing is wrong, later it will do."""


class Kind(StrEnum):
    """What a migration does to programs that do not know it."""

    EXPAND = "expand"
    """It only adds: they go on, and start."""
    CONTRACT = "contract"
    """It takes away or narrows: only those go on that know the revision it names, since which nobody uses what goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of a schema, ``after`` another one.

    ``unused_since`` names, for a contracting one, whose programs can stand it: they know that.
    """

    revision: str
    kind: Kind
    unused_since: str | None
    after: str | None = None
    title: str = ""

    @classmethod
    def read(cls, script: Path) -> Self:
        """Return what the migration in the file *script* says of itself, which is not run for it. Raises SchemaError as ``of``."""
        module = ast.parse(script.read_bytes())
        said: dict[str, object] = {"__doc__": ast.get_docstring(module, clean=False)}
        for line in module.body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                    said[name] = value
        return cls.of(said)

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Self:
        """Return what a migration says whose module holds the names *said*.

        Raises SchemaError where it does not say ``kind``, or says ``unused_since`` without need, or not where it must.
        """
        revision, after = str(said.get("revision")), said.get("down_revision")
        try:
            kind = Kind(str(said.get("kind")))
        except ValueError as error:
            raise SchemaError(f'migration {revision}: say kind = "expand" or kind = "contract"') from error
        since = said.get("unused_since")
        if (kind is Kind.CONTRACT) != (since is not None):
            raise SchemaError(
                f"migration {revision}: unused_since names, in a contracting migration and in no other, the first "
                "revision whose programs no longer use what goes"
            )
        if since is not None and (not _REVISION.fullmatch(str(since)) or str(since) > revision):
            raise SchemaError(f"migration {revision}: unused_since is no revision up to this one")
        title = str(said.get("__doc__") or "").strip().partition("\n")[0]
        return cls(
            revision=revision,
            kind=kind,
            unused_since=None if since is None else str(since),
            after=None if after is None else str(after),
            title=title,
        )

    @property
    def needed(self) -> bool:
        """Whether programs that know it need it done: what went unused before it goes may as well be there still."""
        return self.kind is Kind.EXPAND or self.unused_since == self.revision

    def serves(self, known: Sequence[str]) -> bool:
        """Whether programs that know the revisions *known*, and not this one, can use a database that has seen it."""
        return self.kind is Kind.EXPAND or self.unused_since in known


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a database stands, seen by a program that knows some migrations.

    ``pending`` are those that the program knows and the database has not seen, ``newer`` those it has seen and the
    program does not know, both in order; ``obstacle`` says why the program cannot use it, None where it can.
    """

    revision: str | None
    head: str
    pending: tuple[Migration, ...] = ()
    newer: tuple[Migration, ...] = ()
    obstacle: str | None = None

    @property
    def outlasted(self) -> bool:
        """Whether programs of the database's present version go on while it is brought forward."""
        pending = {each.revision for each in self.pending}
        return self.revision is not None and all(
            each.kind is Kind.EXPAND or each.unused_since not in pending for each in self.pending
        )
