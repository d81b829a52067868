"""What every table is made of: one metadata, one way to belong to a hospital."""

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

ID = String(32)
NAME = String(63)
LABEL = String(200)
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
"""A growing number; SQLite counts only in a column of exactly type INTEGER."""


def hospital() -> Column[str]:
    """Return the column that says whose row it is."""
    return Column("hospital_id", ID, ForeignKey("hospitals.id"), nullable=False)


def own(noun: str, column: str) -> ForeignKeyConstraint:
    """Return a reference from *column* to a row of *noun* in the same hospital, and no other."""
    return ForeignKeyConstraint(["hospital_id", column], [f"{noun}.hospital_id", f"{noun}.id"])
