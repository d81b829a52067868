"""How long recordings are kept, legal holds, early erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

kind = "expand"

ID = sa.String(length=32)
INSTANT = sa.DateTime(timezone=True)


def _table(name: str, people: tuple[str, ...], *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("hospital_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        *more,
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f(f"fk_{name}_hospital_id")),
        *(
            sa.ForeignKeyConstraint(
                ["hospital_id", column],
                ["people.hospital_id", "people.id"],
                name=op.f(f"fk_{name}_hospital_id_{column}"),
            )
            for column in people
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f(f"pk_{name}")),
    )


def upgrade() -> None:
    _table(
        "retention_rules",
        ("asked_by", "approved_by"),
        sa.Column("recordings_days", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decider", sa.String(length=200), nullable=False),
        sa.Column("asked_by", ID, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("approved_by", ID),
        sa.Column("approved_at", INSTANT),
        sa.Column("effective_at", INSTANT),
        sa.Column("ended_at", INSTANT),
    )
    _table(
        "holds",
        ("placed_by", "lifted_by"),
        sa.Column("case", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("session_id", sa.String(length=64)),
        sa.Column("person_id", sa.String(length=64)),
        sa.Column("device_id", sa.String(length=64)),
        sa.Column("intervention_id", sa.String(length=64)),
        sa.Column("since", INSTANT),
        sa.Column("until", INSTANT),
        sa.Column("placed_by", ID, nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("lifted_by", ID),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lift_reason", sa.Text()),
    )
    op.create_index("ix_holds_hospital_id_lifted_at", "holds", ["hospital_id", "lifted_at"])
    _table(
        "erasures",
        ("asked_by", "decided_by"),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", ID, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("decided_by", ID),
        sa.Column("decided_at", INSTANT),
        sa.Column("answer", sa.Text()),
        sa.Column("done_at", INSTANT),
    )
    op.create_index("ix_erasures_hospital_id_state", "erasures", ["hospital_id", "state"])
    op.create_index("ix_erasures_hospital_id_session_id", "erasures", ["hospital_id", "session_id"])


def downgrade() -> None:
    for name in ("erasures", "holds", "retention_rules"):
        op.drop_table(name)
