"""The catalogue of sessions and the security journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "sessions_opened",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("node", sa.String(128), nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("supplier_id", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("window_id", sa.String(64), nullable=False),
        sa.Column("header", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", name="pk_sessions_opened"),
    )
    for columns in (
        ["hospital_id", "started_at", "session_id"],
        ["hospital_id", "person_id"],
        ["hospital_id", "device_id"],
    ):
        op.create_index("ix_sessions_opened_" + "_".join(columns), "sessions_opened", columns)
    op.create_table(
        "sessions_closed",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("closed_at", sa.BigInteger, nullable=False),
        sa.Column("end_reason", sa.Text, nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("trimmed_bytes", sa.BigInteger, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("signer", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", name="pk_sessions_closed"),
    )
    op.create_table(
        "journal_entries",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("writer", sa.String(200), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("person_id", sa.String(64)),
        sa.Column("device_id", sa.String(64)),
        sa.Column("session_id", sa.String(64)),
        sa.Column("source", sa.Text),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("outbox_id", sa.String(64)),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "writer", "seq", name="pk_journal_entries"),
    )
    for columns, unique in (
        (["hospital_id", "outbox_id"], True),
        (["hospital_id", "event_id"], True),
        (["hospital_id", "at", "writer", "seq"], False),
        (["hospital_id", "session_id"], False),
    ):
        op.create_index("ix_journal_entries_" + "_".join(columns), "journal_entries", columns, unique=unique)


def downgrade() -> None:
    op.drop_table("journal_entries")
    op.drop_table("sessions_closed")
    op.drop_table("sessions_opened")
