"""Enrolment in a browser: texts and their acceptance, visits, recovery codes, mails, codes told by voice."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    # SQLite adds no column that must be there to a table that has rows without its default
    with op.batch_alter_table("invitations") as table:
        table.add_column(sa.Column("spoken_hash", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("spoken_failures", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "engagement_texts",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("titles", sa.JSON(), nullable=False),
        sa.Column("paragraphs", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("effective_at", UtcDateTime(), nullable=False),
        sa.Column("published_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_engagement_texts_hospital_id")
        ),
        _own("engagement_texts", "people", "published_by"),
        sa.PrimaryKeyConstraint("hospital_id", "kind", "version", name=op.f("pk_engagement_texts")),
    )
    op.create_table(
        "engagements",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_engagements_hospital_id")),
        _own("engagements", "people", "person_id"),
        sa.ForeignKeyConstraint(
            ["hospital_id", "kind", "version"],
            ["engagement_texts.hospital_id", "engagement_texts.kind", "engagement_texts.version"],
            name=op.f("fk_engagements_hospital_id_kind_version"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "person_id", "kind", "version", name=op.f("pk_engagements")),
    )
    op.create_table(
        "engagement_duties",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_engagement_duties_hospital_id")
        ),
        _own("engagement_duties", "people", "person_id"),
        sa.PrimaryKeyConstraint("hospital_id", "person_id", name=op.f("pk_engagement_duties")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_recovery_codes_hospital_id")
        ),
        _own("recovery_codes", "people", "person_id"),
        sa.PrimaryKeyConstraint("hospital_id", "person_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "visits",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("invitation_hash", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("chosen_at", UtcDateTime(), nullable=True),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_visits_hospital_id")),
        _own("visits", "people", "person_id"),
        sa.ForeignKeyConstraint(
            ["hospital_id", "invitation_hash"],
            ["invitations.hospital_id", "invitations.token_hash"],
            name=op.f("fk_visits_hospital_id_invitation_hash"),
        ),
        sa.PrimaryKeyConstraint("hospital_id", "token_hash", name=op.f("pk_visits")),
    )
    op.create_index(
        op.f("ix_visits_hospital_id_person_id"), "visits", ["hospital_id", "person_id"], unique=False
    )
    op.create_table(
        "mails",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("abandoned_at", UtcDateTime(), nullable=True),
        sa.Column("fault", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_mails_hospital_id")),
        _own("mails", "people", "person_id"),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_mails")),
    )
    op.create_index(op.f("ix_mails_next_try_at"), "mails", ["next_try_at"], unique=False)
    op.create_index(
        op.f("ix_mails_hospital_id_person_id"), "mails", ["hospital_id", "person_id"], unique=False
    )


def _own(table: str, noun: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["hospital_id", column],
        [f"{noun}.hospital_id", f"{noun}.id"],
        name=op.f(f"fk_{table}_hospital_id_{column}"),
    )
