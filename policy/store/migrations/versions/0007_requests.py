"""What technicians ask for and report: why, what was answered, and reports of interventions."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column("windows", sa.Column("answer", sa.String(length=500), nullable=True))
    op.add_column("extensions", sa.Column("reason", sa.String(length=500), server_default="", nullable=False))
    op.add_column("extensions", sa.Column("answer", sa.String(length=500), nullable=True))
    op.create_table(
        "reports",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("intervention_id", sa.String(length=32), nullable=False),
        sa.Column("author_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("goal", sa.String(length=16), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("filed_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=32), nullable=True),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id", "intervention_id"],
            ["interventions.hospital_id", "interventions.id"],
            name=op.f("fk_reports_hospital_id_intervention_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "author_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_reports_hospital_id_author_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "acknowledged_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_reports_hospital_id_acknowledged_by"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_reports_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "hospital_id", "intervention_id", name=op.f("uq_reports_hospital_id_intervention_id")
        ),
    )
