"""Every migration says whether it only adds; one that says so does."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES
from schema.contract import Kind, Migration, SchemaError
from schema.migrations import Migrations
from tests.architecture.schema_rules import faults
from tests.support.newer_schema import Step, newer


def _scripts(migrations: Migrations) -> list[ModuleType]:
    return [each.module for each in ScriptDirectory.from_config(migrations.config()).walk_revisions()]


MODULES = [pytest.param(module, id=f"{known.name}-{module.revision}") for known in (POLICY, TRACES) for module in _scripts(known)]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_a_migration_says_its_kind_and_keeps_to_it(module: ModuleType) -> None:
    """It states expand or contract; what is called expanding adds tables, columns that may stay empty, and indexes."""
    assert Migration.read(Path(str(module.__file__))) == Migration.of(vars(module))
    assert faults(module) == []


PLANTED = [
    ('op.drop_column("people", "email")', "DropColumnOp on people"),
    ('op.drop_table("people")', "DropTableOp on people"),
    ('op.rename_table("people", "persons")', "RenameTableOp on people"),
    ('op.alter_column("people", "email", new_column_name="mail")', "AlterColumnOp on people"),
    ('op.alter_column("people", "email", nullable=False)', "AlterColumnOp on people"),
    ('op.add_column("people", sa.Column("badge", sa.Text(), nullable=False))', "people.badge: programs that"),
    ('op.add_column("people", sa.Column("badge", sa.Text(), unique=True))', "people.badge: unique"),
    (
        'op.add_column("people", sa.Column("at", sa.DateTime(), server_default=sa.func.now()))',
        "people.at: a default that is computed",
    ),
    ('op.execute("UPDATE people SET email = NULL")', "ExecuteSQLOp"),
    ('op.create_index("ix", "people", ["email"])', "people has rows"),
    ('op.create_index("ix", "people", ["email"], unique=True)', "a unique index on people"),
    ('op.create_check_constraint("ck", "people", "email <> \'\'")', "CreateCheckConstraintOp on people"),
    ('op.create_foreign_key("fk", "people", "suppliers", ["a"], ["id"])', "CreateForeignKeyOp on people"),
    (
        'create_index("ix", "people", ["email"]); op.add_column("people", sa.Column("badge", sa.Text()))',
        "an index is built alone",
    ),
    (
        'with op.batch_alter_table("people") as table:\n        table.drop_column("email")',
        "DropColumnOp on people",
    ),
]


@pytest.mark.parametrize(("body", "fault"), PLANTED)
def test_an_expanding_migration_that_is_none_is_found(tmp_path: Path, body: str, fault: str) -> None:
    """Whatever takes away, renames, narrows, locks long or writes rows is named."""
    module = _planted(tmp_path, Step(body=body))
    assert any(fault in found for found in faults(module)), faults(module)


ADDITIONS = [
    'op.create_table("badges", sa.Column("id", sa.Text(), nullable=False)); op.create_index("ix", "badges", ["id"])',
    'op.add_column("people", sa.Column("badge", sa.Text()))',
    'op.add_column("people", sa.Column("badge", sa.Integer(), nullable=False, server_default="0"))',
    'create_index("ix", "people", ["email"])',
]


@pytest.mark.parametrize("body", ADDITIONS)
def test_additions_are_let_through(tmp_path: Path, body: str) -> None:
    """New tables and their indexes, columns with a value for who does not know them, an index built beside the work."""
    assert faults(_planted(tmp_path, Step(body=body))) == []


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({}, "say kind"),
        ({"kind": "both"}, "say kind"),
        ({"kind": "contract"}, "unused_since"),
        ({"kind": "expand", "unused_since": "0001"}, "unused_since"),
        ({"kind": "contract", "unused_since": "0009"}, "no revision up to this one"),
    ],
)
def test_a_migration_that_does_not_say_its_kind_is_refused(said: dict[str, Any], refused: str) -> None:
    """Without a kind, with another one, or contracting without saying for whom: it does not load."""
    module = ModuleType("migration")
    module.__dict__.update({"revision": "0005", **said})
    with pytest.raises(SchemaError, match=refused):
        Migration.of(vars(module))


def test_migrations_that_fork_are_refused(tmp_path: Path) -> None:
    """Two that follow the same one are no line, whichever would come first."""
    fork = newer(POLICY, tmp_path, Step(body="pass"), Step(body="pass"))
    last = tmp_path / f"{fork.head}_tomorrow.py"
    last.write_text(
        last.read_text().replace(
            f'down_revision = "{fork.all[-2].revision}"', f'down_revision = "{POLICY.head}"'
        )
    )
    with pytest.raises(SchemaError, match="one line"):
        assert replace(fork, name="read anew").all


def test_the_template_of_a_migration_leaves_its_kind_to_whoever_writes_it(tmp_path: Path) -> None:
    """A migration made from the template says nothing yet: it is refused until somebody has thought about it."""
    for known in (POLICY, TRACES):
        assert 'kind = ""' in (known.scripts / "script.py.mako").read_text()
    with pytest.raises(SchemaError, match="say kind"):
        assert newer(POLICY, tmp_path, Step(body="pass", kind="")).all


def _planted(folder: Path, step: Step) -> ModuleType:
    known = newer(POLICY, folder, step)
    module: ModuleType = ScriptDirectory.from_config(known.config()).get_revision("head").module
    assert Migration.of(vars(module)).kind is Kind.EXPAND
    return module
