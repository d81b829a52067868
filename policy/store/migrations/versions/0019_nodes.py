"""Whose gateway a node is: an exercise waits for the hospital's own."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column("nodes", sa.Column("hospital_id", sa.String(length=32)))
