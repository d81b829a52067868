"""What a responder said of a token's certificate, kept: a live session must not outlive it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column("token_certificates", sa.Column("revoked_as", sa.String(length=16), nullable=True))
    op.add_column("token_certificates", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("token_certificates", sa.Column("revoked_by", sa.String(length=500), nullable=True))
