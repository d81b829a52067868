"""Who was there at an instant: indexes over when sessions began, and how long those that ended lasted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

kind = "contract"
unused_since = "0003"

_WHOM = ("device_id", "person_id", "supplier_id")


def upgrade() -> None:
    op.add_column("sessions_closed", sa.Column("lasted", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE sessions_closed SET lasted = coalesce(closed_at - (SELECT started_at FROM sessions_opened AS o "
        "WHERE o.hospital_id = sessions_closed.hospital_id AND o.session_id = sessions_closed.session_id), 0)"
    )
    op.create_index("ix_sessions_closed_hospital_id_lasted", "sessions_closed", ["hospital_id", "lasted"])
    for column in ("device_id", "person_id"):
        op.drop_index(f"ix_sessions_opened_hospital_id_{column}", "sessions_opened")
    for column in _WHOM:
        columns = ["hospital_id", column, "started_at"]
        op.create_index("ix_sessions_opened_" + "_".join(columns), "sessions_opened", columns)


def downgrade() -> None:
    for column in _WHOM:
        op.drop_index(f"ix_sessions_opened_hospital_id_{column}_started_at", "sessions_opened")
    for column in ("device_id", "person_id"):
        op.create_index(
            f"ix_sessions_opened_hospital_id_{column}", "sessions_opened", ["hospital_id", column]
        )
    op.drop_index("ix_sessions_closed_hospital_id_lasted", "sessions_closed")
    op.drop_column("sessions_closed", "lasted")
