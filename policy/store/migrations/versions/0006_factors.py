"""What counts as a log-in: factor tables, levels demanded, certificates and whom the hospital believes."""

import sqlalchemy as sa
from alembic import op

from policy.store.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

kind = "expand"


def upgrade() -> None:
    op.add_column("hospitals", sa.Column("factors", sa.JSON(none_as_null=True), nullable=True))
    for table in ("suppliers", "people"):
        op.add_column(table, sa.Column("one_post", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("ssh_keys", sa.Column("kind", sa.String(length=16), server_default="plain", nullable=False))
    for table in ("devices", "windows"):
        op.add_column(
            table, sa.Column("level", sa.String(length=16), server_default="standard", nullable=False)
        )
    _anchors()
    _certificates()
    _authorities()


def _anchors() -> None:
    op.create_table(
        "trust_anchors",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("supplier_id", sa.String(length=32), nullable=True),
        sa.Column("crl_urls", sa.JSON(), nullable=False),
        sa.Column("ocsp_url", sa.String(length=500), nullable=True),
        sa.Column("when_stale", sa.String(length=16), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "supplier_id"],
            ["suppliers.hospital_id", "suppliers.id"],
            name=op.f("fk_trust_anchors_hospital_id_supplier_id"),
        ),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=op.f("fk_trust_anchors_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_trust_anchors")),
        sa.UniqueConstraint("hospital_id", "name", name=op.f("uq_trust_anchors_hospital_id_name")),
    )
    op.create_table(
        "revocation_lists",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("anchor_id", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", UtcDateTime(), nullable=False),
        sa.Column("next_update", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "anchor_id"],
            ["trust_anchors.hospital_id", "trust_anchors.id"],
            name=op.f("fk_revocation_lists_hospital_id_anchor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_revocation_lists_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "anchor_id", "issuer", name=op.f("pk_revocation_lists")),
    )


def _certificates() -> None:
    op.create_table(
        "token_certificates",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("key_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "person_id"],
            ["people.hospital_id", "people.id"],
            name=op.f("fk_token_certificates_hospital_id_person_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_token_certificates_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_token_certificates")),
        sa.UniqueConstraint(
            "hospital_id", "fingerprint", name=op.f("uq_token_certificates_hospital_id_fingerprint")
        ),
    )
    op.create_index(
        op.f("ix_token_certificates_hospital_id_person_id"),
        "token_certificates",
        ["hospital_id", "person_id"],
        unique=False,
    )


def _authorities() -> None:
    op.create_table(
        "login_authorities",
        sa.Column("hospital_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("supplier_id", sa.String(length=32), nullable=True),
        sa.Column("krl", sa.LargeBinary(), nullable=True),
        sa.Column("krl_at", UtcDateTime(), nullable=True),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "supplier_id"],
            ["suppliers.hospital_id", "suppliers.id"],
            name=op.f("fk_login_authorities_hospital_id_supplier_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_login_authorities_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "id", name=op.f("pk_login_authorities")),
        sa.UniqueConstraint("hospital_id", "name", name=op.f("uq_login_authorities_hospital_id_name")),
        sa.UniqueConstraint(
            "hospital_id", "fingerprint", name=op.f("uq_login_authorities_hospital_id_fingerprint")
        ),
    )
