"""Cuts, extensions, sessions, leases, device tasks and the outbox."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", sa.String(length=100), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_nodes")),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_outbox_hospital_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sa.UniqueConstraint("hospital_id", "id", name=op.f("uq_outbox_hospital_id_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "revocations",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("by_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "by_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_revocations_hospital_id_by_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_revocations_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_revocations")),
    )
    op.create_index(op.f("ix_revocations_hospital_id_at"), "revocations", ["hospital_id", "at"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("node", sa.String(length=100), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id", "account_id"],
            ["accounts.hospital_id", "accounts.id"],
            name=op.f("fk_tasks_hospital_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "device_id"],
            ["devices.hospital_id", "devices.id"],
            name=op.f("fk_tasks_hospital_id_device_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "requested_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_tasks_hospital_id_requested_by"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_tasks_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_tasks")),
    )
    op.create_index(
        op.f("ix_tasks_hospital_id_requested_at"), "tasks", ["hospital_id", "requested_at"], unique=False
    )
    op.create_index(op.f("ix_tasks_state_requested_at"), "tasks", ["state", "requested_at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("supplier_id", sa.String(length=32), nullable=True),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("account_name", sa.String(length=63), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("node", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("hard_end", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("end_reason", sa.String(length=100), nullable=True),
        sa.Column("granted", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "device_id"],
            ["devices.hospital_id", "devices.id"],
            name=op.f("fk_sessions_hospital_id_device_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_sessions_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_sessions_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_sessions_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index(
        op.f("ix_sessions_hospital_id_closed_at_opened_at"),
        "sessions",
        ["hospital_id", "closed_at", "opened_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sessions_hospital_id_person_id_closed_at"),
        "sessions",
        ["hospital_id", "person_id", "closed_at"],
        unique=False,
    )
    op.create_index(op.f("ix_sessions_node_closed_at"), "sessions", ["node", "closed_at"], unique=False)
    op.create_table(
        "extensions",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("occurrence_id", sa.String(length=32), nullable=False),
        sa.Column("end_at", UtcDateTime(), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id", "decided_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_extensions_hospital_id_decided_by"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "occurrence_id"],
            ["occurrences.hospital_id", "occurrences.id"],
            name=op.f("fk_extensions_hospital_id_occurrence_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "requested_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_extensions_hospital_id_requested_by"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_extensions_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_extensions_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_extensions")),
    )
