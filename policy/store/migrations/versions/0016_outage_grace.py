"""How long a session of a window outlasts an unreachable trace store."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column(
        "windows", sa.Column("outage_grace", sa.BigInteger(), nullable=False, server_default="60000000")
    )
