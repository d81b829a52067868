"""Interventions, windows and their occurrences."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "interventions",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("supplier_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "requested_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_interventions_hospital_id_requested_by"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "supplier_id"],
            ["suppliers.hospital_id", "suppliers.id"],
            name=op.f("fk_interventions_hospital_id_supplier_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_interventions_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_interventions")),
    )
    op.create_table(
        "windows",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("intervention_id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=True),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("idle_limit", sa.BigInteger(), nullable=False),
        sa.Column("output_counts", sa.Boolean(), nullable=False),
        sa.Column("output_ceiling", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("approved_by", sa.String(length=32), nullable=True),
        sa.Column("recurrence", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("stored_until", UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "approved_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_windows_hospital_id_approved_by"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "intervention_id"],
            ["interventions.hospital_id", "interventions.id"],
            name=op.f("fk_windows_hospital_id_intervention_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "requested_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_windows_hospital_id_requested_by"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_windows_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_windows")),
    )
    op.create_table(
        "occurrences",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.Column("end_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_occurrences_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_occurrences_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_occurrences")),
    )
    op.create_index(
        op.f("ix_occurrences_hospital_id_start_at_end_at"),
        "occurrences",
        ["hospital_id", "start_at", "end_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_occurrences_hospital_id_window_id_end_at_start_at"),
        "occurrences",
        ["hospital_id", "window_id", "end_at", "start_at"],
        unique=False,
    )
    op.create_table(
        "window_devices",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "device_id"],
            ["devices.hospital_id", "devices.id"],
            name=op.f("fk_window_devices_hospital_id_device_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_window_devices_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_window_devices_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "window_id", "device_id", name=op.f("pk_window_devices")),
    )
    op.create_index(
        op.f("ix_window_devices_hospital_id_device_id"),
        "window_devices",
        ["hospital_id", "device_id"],
        unique=False,
    )
    op.create_table(
        "window_groups",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_window_groups_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_window_groups_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "window_id", "name", name=op.f("pk_window_groups")),
    )
    op.create_index(
        op.f("ix_window_groups_hospital_id_name"), "window_groups", ["hospital_id", "name"], unique=False
    )
    op.create_table(
        "window_people",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_window_people_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "window_id"],
            ["windows.hospital_id", "windows.id"],
            name=op.f("fk_window_people_hospital_id_window_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_window_people_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "window_id", "person_id", name=op.f("pk_window_people")),
    )
    op.create_index(
        op.f("ix_window_people_hospital_id_person_id"),
        "window_people",
        ["hospital_id", "person_id"],
        unique=False,
    )
