"""Zones, devices, their groups and accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "zones",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source_address", sa.String(length=45), nullable=True),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_zones_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_zones")),
        sa.UniqueConstraint("hospital_id", "name", name=op.f("uq_zones_hospital_id_name")),
    )
    op.create_table(
        "devices",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("host_keys", sa.JSON(), nullable=False),
        sa.Column("algorithms", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "zone_id"],
            ["zones.hospital_id", "zones.id"],
            name=op.f("fk_devices_hospital_id_zone_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_devices_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_devices")),
        sa.UniqueConstraint("hospital_id", "name", name=op.f("uq_devices_hospital_id_name")),
    )
    op.create_table(
        "accounts",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "device_id"],
            ["devices.hospital_id", "devices.id"],
            name=op.f("fk_accounts_hospital_id_device_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_accounts_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_accounts")),
        sa.UniqueConstraint(
            "hospital_id", "device_id", "name", name=op.f("uq_accounts_hospital_id_device_id_name")
        ),
    )
    op.create_table(
        "device_groups",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "device_id"],
            ["devices.hospital_id", "devices.id"],
            name=op.f("fk_device_groups_hospital_id_device_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_device_groups_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "device_id", "name", name=op.f("pk_device_groups")),
    )
    op.create_index(
        op.f("ix_device_groups_hospital_id_name"), "device_groups", ["hospital_id", "name"], unique=False
    )
    op.create_table(
        "account_secrets",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "account_id"],
            ["accounts.hospital_id", "accounts.id"],
            name=op.f("fk_account_secrets_hospital_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_account_secrets_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "account_id", name=op.f("pk_account_secrets")),
        sa.UniqueConstraint(
            "hospital_id", "fingerprint", name=op.f("uq_account_secrets_hospital_id_fingerprint")
        ),
    )
