"""Errors of the pages; each becomes a page.

PageError
├── FormRefused     the form does not come from these pages
├── VisitOver       there is no visit, or it is over: the link, or signing in, begins another
├── StepAhead       the step asked for is not open yet, or no more
└── ReasonWanted    a trace is to be read, and nobody has said why
"""


class PageError(Exception):
    """Base of this package's errors; never raised itself."""


class FormRefused(PageError):
    """The form does not come from these pages. Nothing was changed."""


class VisitOver(PageError):
    """There is no visit, or it is over. Says nothing of why."""


class StepAhead(PageError):
    """The step asked for is not open in this visit; ``step`` is the one to go to."""

    def __init__(self, step: str) -> None:
        """Name the *step* that is open."""
        super().__init__(step)
        self.step = step


class ReasonWanted(PageError):
    """The trace of ``session_id`` is to be read, from ``moment`` on, and its reader has not said why."""

    def __init__(self, session_id: str, moment: str = "") -> None:
        """Name the recorded session, and the *moment* as it was asked for."""
        super().__init__(session_id)
        self.session_id = session_id
        self.moment = moment
