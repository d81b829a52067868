"""T10: how long a session has been idle. Instants are seconds of a clock that never steps."""

from datetime import timedelta

from policy.domain.access import Obligations


class IdleMeter:
    """Knows when a session last saw life.

    On a terminal only keystrokes are life; output, keep-alives and resizes are not. Without a terminal,
    any byte either way is.
    """

    def __init__(self, at: float) -> None:
        """Start at *at*, as if a key had just been struck."""
        self._life = at
        self._output = at

    def life(self, at: float) -> None:
        """Note a keystroke, or a byte of a channel without terminal."""
        self._life = max(self._life, at)

    def output(self, at: float) -> None:
        """Note output on a terminal."""
        self._output = max(self._output, at)

    def remaining(self, at: float, obligations: Obligations) -> timedelta:
        """Return how long the session may go on in silence; zero or less: it is over.

        Where the planner lets output count, it does up to the ceiling after the last keystroke.
        """
        last = self._life
        if obligations.output_counts:
            ceiling = obligations.output_ceiling
            bound = self._output if ceiling is None else self._life + ceiling.total_seconds()
            last = max(last, min(self._output, bound))
        return obligations.idle_limit - timedelta(seconds=at - last)
