"""Alarms, their messages, and how far the journal was read."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

kind = "expand"

ID = sa.String(length=32)
INSTANT = sa.DateTime(timezone=True)


def _table(name: str, key: tuple[str, ...], *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("hospital_id", ID, nullable=False),
        *more,
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f(f"fk_{name}_hospital_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
    )


def _own(table: str, noun: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["hospital_id", column],
        [f"{noun}.hospital_id", f"{noun}.id"],
        name=op.f(f"fk_{table}_hospital_id_{column}"),
    )


def upgrade() -> None:
    _table(
        "alarms",
        ("hospital_id", "id"),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("open_key", sa.String(length=265)),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.String(length=64)),
        sa.Column("device_id", sa.String(length=64)),
        sa.Column("session_id", sa.String(length=64)),
        sa.Column("over_at", INSTANT),
        sa.Column("acknowledged_by", ID),
        sa.Column("acknowledged_at", INSTANT),
        sa.Column("acknowledged_note", sa.Text()),
        sa.Column("closed_by", ID),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_note", sa.Text()),
        sa.UniqueConstraint("hospital_id", "open_key", name=op.f("uq_alarms_hospital_id_open_key")),
        _own("alarms", "people", "acknowledged_by"),
        _own("alarms", "people", "closed_by"),
    )
    op.create_index("ix_alarms_hospital_id_state_last_at", "alarms", ["hospital_id", "state", "last_at"])
    _table(
        "alarm_tallies",
        ("hospital_id", "name"),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
    )
    _table(
        "alarm_calls",
        ("hospital_id", "id"),
        sa.Column("id", ID, nullable=False),
        sa.Column("alarm_id", ID, nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("alarm", sa.JSON(), nullable=False),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("delivered_at", INSTANT),
        sa.Column("abandoned_at", INSTANT),
        sa.Column("fault", sa.String(length=200)),
        _own("alarm_calls", "alarms", "alarm_id"),
    )
    op.create_index("ix_alarm_calls_hospital_id_next_try_at", "alarm_calls", ["hospital_id", "next_try_at"])
    _table(
        "journal_readers",
        ("hospital_id", "reader"),
        sa.Column("reader", sa.String(length=32), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("holder", sa.String(length=200)),
        sa.Column("held_until", INSTANT),
    )
    _table(
        "journal_bookmarks",
        ("hospital_id", "reader", "writer"),
        sa.Column("reader", sa.String(length=32), nullable=False),
        sa.Column("writer", sa.String(length=200), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
    )
