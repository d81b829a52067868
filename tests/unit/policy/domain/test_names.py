import pytest

from policy.domain.ids import is_name, new_id


@pytest.mark.parametrize("name", ["alice", "scan01", "a", "0x", "a.b-c_d", "a" * 63])
def test_names_people_type(name: str) -> None:
    """Short ASCII names in lower case are names."""
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "_a", "A", "a+b", "a b", "a\n", "a\x00", "é", "а", "a/b", "a@b", "a" * 64]
)
def test_hostile_names(name: str) -> None:
    """Separators, upper case, look-alikes, control characters and long names are not."""
    assert not is_name(name)


def test_ids_are_fresh_and_opaque() -> None:
    """Identifiers are 32 hexadecimal digits and never come twice."""
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)
