"""Bearer secrets."""

import pytest

from policy.domain.ids import HospitalId, new_id
from policy.errors import AuthenticationFailed
from policy.services import bearers
from policy.vault.secret import Secret


def test_a_bearer_secret_reads_back_as_its_hospital_and_hash() -> None:
    """What was minted is read back, is never twice the same, and holds 256 random bits."""
    hospital = HospitalId(new_id())
    first, second = bearers.mint("ecltok", hospital), bearers.mint("ecltok", hospital)
    assert bearers.read("ecltok", first) == (hospital, bearers.digest(first))
    assert bearers.digest(first) != bearers.digest(second)
    assert len(first.reveal().rpartition(f"{hospital}_")[2]) == 43


@pytest.mark.parametrize("text", ["", "ecltok", "ecltok_x_y", "ecltok_" + "0" * 32 + "_short", "é" * 90])
def test_anything_else_is_no_bearer_secret(text: str) -> None:
    """Junk fails like a wrong secret: AuthenticationFailed, with nothing of it in the message."""
    with pytest.raises(AuthenticationFailed, match=r"^authentication failed$"):
        bearers.read("ecltok", Secret(text))


def test_an_invitation_is_no_token() -> None:
    """A secret of one kind does not serve as another."""
    with pytest.raises(AuthenticationFailed):
        bearers.read("ecltok", bearers.mint("eclinv", HospitalId(new_id())))
