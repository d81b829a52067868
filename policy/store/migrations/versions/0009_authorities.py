"""Authorities that devices trust, and the derogations of devices that are too old."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "device_authorities",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public_key", sa.String(length=500), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        _own("device_authorities", "people", "made_by"),
        _hospital("device_authorities"),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_device_authorities")),
    )
    op.create_index(
        "uq_device_authorities_in_use",
        "device_authorities",
        ["hospital_id", "state"],
        unique=True,
        sqlite_where=sa.text("state <> 'retired'"),
        postgresql_where=sa.text("state <> 'retired'"),
    )
    op.create_table(
        "authority_keys",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("authority_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        _own("authority_keys", "device_authorities", "authority_id"),
        _hospital("authority_keys"),
        sa.PrimaryKeyConstraint("hospital_id", "authority_id", name=op.f("pk_authority_keys")),
    )
    op.create_table(
        "derogations",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("weakness", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        _own("derogations", "devices", "device_id"),
        _own("derogations", "people", "decided_by"),
        _hospital("derogations"),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_derogations")),
    )
    op.create_index(
        op.f("ix_derogations_hospital_id_device_id"),
        "derogations",
        ["hospital_id", "device_id"],
        unique=False,
    )


def _hospital(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f(f"fk_{table}_hospital_id"))


def _own(table: str, noun: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["hospital_id", column],
        [f"{noun}.hospital_id", f"{noun}.id"],
        name=op.f(f"fk_{table}_hospital_id_{column}"),
    )
