"""Further connections of one completed log-in, where a hospital allows them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    for name in ("continuation_seconds", "continuation_connections"):
        op.add_column("hospitals", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "continuations",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("first", sa.String(length=64), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_continuations_hospital_id")),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_continuations_hospital_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_continuations")),
        sa.UniqueConstraint(
            "hospital_id",
            "person_id",
            "device",
            "source",
            name=op.f("uq_continuations_hospital_id_person_id_device_source"),
        ),
    )
