"""A general cut closes the hospital until a person opens it again; exercises of it, and which gateways heard."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

kind = "expand"

ID = sa.String(length=32)
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("hospitals", sa.Column("closed_at", INSTANT))
    op.add_column("hospitals", sa.Column("closed_by", ID))
    op.add_column("hospitals", sa.Column("closed_reason", sa.String(length=500)))
    op.create_table(
        "exercises",
        sa.Column("hospital_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("begun_by", ID, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("result", sa.JSON()),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_exercises_hospital_id")),
        sa.ForeignKeyConstraint(
            ["hospital_id", "begun_by"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_exercises_hospital_id_begun_by"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_exercises")),
    )
    op.create_table(
        "exercise_answers",
        sa.Column("hospital_id", ID, nullable=False),
        sa.Column("exercise_id", ID, nullable=False),
        sa.Column("node", sa.String(length=100), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_exercise_answers_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id", "exercise_id"],
            ["exercises.hospital_id", "exercises.id"],
            name=op.f("fk_exercise_answers_hospital_id_exercise_id"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "exercise_id", "node", name=op.f("pk_exercise_answers")),
    )


def downgrade() -> None:
    op.drop_table("exercise_answers")
    op.drop_table("exercises")
    for column in ("closed_reason", "closed_by", "closed_at"):
        op.drop_column("hospitals", column)
