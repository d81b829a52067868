"""Hospitals, suppliers, people, and what they log in with."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.create_table(
        "hospitals",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("security_contact", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hospitals")),
    )
    op.create_table(
        "attempts",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("origin", sa.String(length=49), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_attempts_hospital_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_attempts")),
        sa.UniqueConstraint("hospital_id", "id", name=op.f("uq_attempts_hospital_id_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_attempts_hospital_id_login_at"), "attempts", ["hospital_id", "login", "at"], unique=False
    )
    op.create_index(
        op.f("ix_attempts_hospital_id_origin_at"), "attempts", ["hospital_id", "origin", "at"], unique=False
    )
    op.create_table(
        "suppliers",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_suppliers_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_suppliers")),
        sa.UniqueConstraint("hospital_id", "name", name=op.f("uq_suppliers_hospital_id_name")),
    )
    op.create_table(
        "people",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=63), nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("supplier_id", sa.String(length=32), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "supplier_id"],
            ["suppliers.hospital_id", "suppliers.id"],
            name=op.f("fk_people_hospital_id_supplier_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_people_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_people")),
        sa.UniqueConstraint("hospital_id", "email", name=op.f("uq_people_hospital_id_email")),
        sa.UniqueConstraint("hospital_id", "login", name=op.f("uq_people_hospital_id_login")),
    )
    op.create_index(op.f("ix_people_id"), "people", ["id"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_invitations_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_invitations_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "token_hash", name=op.f("pk_invitations")),
    )
    op.create_index(
        op.f("ix_invitations_hospital_id_person_id"),
        "invitations",
        ["hospital_id", "person_id"],
        unique=False,
    )
    op.create_table(
        "passwords",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_passwords_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_passwords_hospital_id")),
        sa.PrimaryKeyConstraint("person_id", "hospital_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "ssh_keys",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_ssh_keys_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_ssh_keys_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "fingerprint", name=op.f("pk_ssh_keys")),
    )
    op.create_index(
        op.f("ix_ssh_keys_person_id_hospital_id"), "ssh_keys", ["person_id", "hospital_id"], unique=False
    )
    op.create_table(
        "tokens",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_tokens_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_tokens_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hospital_id", "token_hash", name=op.f("uq_tokens_hospital_id_token_hash")),
    )
    op.create_index(
        op.f("ix_tokens_hospital_id_person_id"), "tokens", ["hospital_id", "person_id"], unique=False
    )
    op.create_table(
        "totp_secrets",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_totp_secrets_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_totp_secrets_hospital_id")),
        sa.PrimaryKeyConstraint("person_id", "hospital_id", name=op.f("pk_totp_secrets")),
    )
    op.create_table(
        "totp_uses",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_totp_uses_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_totp_uses_hospital_id")),
        sa.PrimaryKeyConstraint("person_id", "step", "hospital_id", name=op.f("pk_totp_uses")),
    )
