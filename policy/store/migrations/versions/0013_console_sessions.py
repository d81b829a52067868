"""Sessions of the console, and the traces that are read in them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_console_sessions_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_console_sessions_hospital_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_console_sessions")),
        sa.UniqueConstraint(
            "hospital_id", "token_hash", name=op.f("uq_console_sessions_hospital_id_token_hash")
        ),
    )
    op.create_index(
        op.f("ix_console_sessions_hospital_id_person_id"), "console_sessions", ["hospital_id", "person_id"]
    )
    op.create_table(
        "console_readings",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("console_session_id", sa.String(length=32), nullable=False),
        sa.Column("trace_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_console_readings_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "console_session_id"],
            ["console_sessions.hospital_id", "console_sessions.id"],
            name=op.f("fk_console_readings_hospital_id_console_session_id"),
        ),
        sa.PrimaryKeyConstraint(
            "hospital_id", "console_session_id", "trace_id", name=op.f("pk_console_readings")
        ),
    )
