"""Checkpoints, what they cover, their time stamps and where they were delivered; sessions that were purged."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("signer", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "sequence", name="pk_checkpoints"),
    )
    op.create_table(
        "checkpoint_heads",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("writer", sa.String(200), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "writer", "seq", name="pk_checkpoint_heads"),
    )
    op.create_table(
        "checkpoint_facts",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("fact", sa.String(8), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", "fact", name="pk_checkpoint_facts"),
    )
    op.create_table(
        "checkpoint_stamps",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("authority", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "sequence", "authority", name="pk_checkpoint_stamps"),
    )
    op.create_table(
        "checkpoint_deliveries",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("document", sa.String(80), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "hospital_id", "target", "sequence", "document", name="pk_checkpoint_deliveries"
        ),
    )
    op.create_table(
        "sessions_purged",
        sa.Column("hospital_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("purged_at", sa.BigInteger, nullable=False),
        sa.Column("purge_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", name="pk_sessions_purged"),
    )


def downgrade() -> None:
    for table in (
        "sessions_purged",
        "checkpoint_deliveries",
        "checkpoint_stamps",
        "checkpoint_facts",
        "checkpoint_heads",
        "checkpoints",
    ):
        op.drop_table(table)
