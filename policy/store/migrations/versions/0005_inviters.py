"""Who made an invitation: nobody approves for whom she invited a short while ago."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

kind = "contract"
unused_since = "0005"


def upgrade() -> None:
    # SQLite adds no constraint to a table that is there: the table is written anew
    with op.batch_alter_table("invitations") as table:
        table.add_column(sa.Column("invited_by", sa.String(length=32), nullable=True))
        table.create_foreign_key(
            op.f("fk_invitations_hospital_id_invited_by"),
            "people",
            ["hospital_id", "invited_by"],
            ["hospital_id", "id"],
        )
