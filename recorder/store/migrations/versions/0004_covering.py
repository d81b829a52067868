"""Indexes that answer who was there by themselves, and what ended lately."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

kind = "contract"
unused_since = "0004"

_WHOM = ("device", "person", "supplier")


def upgrade() -> None:
    op.drop_index("ix_sessions_closed_hospital_id_lasted", "sessions_closed")
    op.create_index(
        "ix_sessions_closed_lasted", "sessions_closed", ["hospital_id", "lasted", "closed_at", "session_id"]
    )
    op.create_index(
        "ix_sessions_closed_hospital_id_closed_at", "sessions_closed", ["hospital_id", "closed_at"]
    )
    for whom in _WHOM:
        op.drop_index(f"ix_sessions_opened_hospital_id_{whom}_id_started_at", "sessions_opened")
        columns = ["hospital_id", f"{whom}_id", "started_at", "session_id"]
        op.create_index(f"ix_sessions_opened_{whom}", "sessions_opened", columns)


def downgrade() -> None:
    for whom in _WHOM:
        op.drop_index(f"ix_sessions_opened_{whom}", "sessions_opened")
        columns = ["hospital_id", f"{whom}_id", "started_at"]
        op.create_index("ix_sessions_opened_" + "_".join(columns), "sessions_opened", columns)
    op.drop_index("ix_sessions_closed_hospital_id_closed_at", "sessions_closed")
    op.drop_index("ix_sessions_closed_lasted", "sessions_closed")
    op.create_index("ix_sessions_closed_hospital_id_lasted", "sessions_closed", ["hospital_id", "lasted"])
