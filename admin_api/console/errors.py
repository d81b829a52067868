"""Errors of the pages; each becomes a page.

PageError
├── FormRefused     the form does not come from these pages
├── VisitOver       there is no visit, or it is over: the link, or signing in, begins another
└── StepAhead       the step asked for is not open yet, or no more
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
