"""A session that opens asks what came before it in its intervention: by the windows, and no more by reading all sessions."""

from schema.operations import create_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    create_index("ix_sessions_hospital_id_window_id", "sessions", ["hospital_id", "window_id"])
