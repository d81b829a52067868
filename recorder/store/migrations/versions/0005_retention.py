"""Records of purges before anything is destroyed, and what the store was told to hold."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

kind = "expand"


def _ids() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(64), nullable=False) for name in ("hospital_id", "session_id")]


def upgrade() -> None:
    op.create_table(
        "purge_records",
        *_ids(),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("kept_until", sa.BigInteger),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", name="pk_purge_records"),
    )
    op.create_table(
        "purges_finished",
        *_ids(),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", name="pk_purges_finished"),
    )
    op.create_table(
        "holds_stored",
        *_ids(),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "session_id", "number", name="pk_holds_stored"),
    )


def downgrade() -> None:
    for name in ("holds_stored", "purges_finished", "purge_records"):
        op.drop_table(name)
