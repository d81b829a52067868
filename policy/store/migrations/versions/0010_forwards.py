"""Ports of the device that a window lets through."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column("windows", sa.Column("forwards", sa.JSON(), nullable=False, server_default="[]"))
