"""A viewer outlasts a moment in which nobody can say whether she may watch, and no more than that."""

from admin_api.live.patience import SECONDS, UNAVAILABLE, Patience


class Policy:
    """Answers as it is told, at a time that is set."""

    def __init__(self) -> None:
        self.answer: str | None = None
        self.now = 0.0

    async def standing(self) -> str | None:
        """Tell what is to be told."""
        return self.answer

    def at(self) -> float:
        """The time."""
        return self.now


async def test_a_moment_without_an_answer_is_outlasted_and_a_longer_one_is_not() -> None:
    """The count begins with each outage anew; a right that is gone ends it at once, an outage or not."""
    policy = Policy()
    asked = Patience(policy.standing, policy.at)
    assert await asked.standing() is None
    for outage in (100.0, 200.0):
        policy.answer, policy.now = UNAVAILABLE, outage
        assert await asked.standing() is None
        policy.now += SECONDS - 0.1
        assert await asked.standing() is None
        policy.answer = None
        assert await asked.standing() is None
    policy.answer, policy.now = UNAVAILABLE, 300.0
    assert await asked.standing() is None
    policy.now += SECONDS
    assert await asked.standing() == UNAVAILABLE
    policy.answer = "signed_out"
    assert await asked.standing() == "signed_out"


async def test_who_was_never_allowed_is_not_let_in_by_an_outage() -> None:
    """The first question must be answered."""
    policy = Policy()
    policy.answer = UNAVAILABLE
    assert await Patience(policy.standing, policy.at).standing() == UNAVAILABLE
