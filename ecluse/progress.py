"""How far a long work is: a bar on standard error for a person who looks at it, and nothing where nobody does."""

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def progress(*columns: ProgressColumn) -> Progress:
    """Return a display of these *columns* that is gone when it ends: standard output holds the result alone.

    Where standard error is no terminal, not a byte is written.
    """
    screen = Console(stderr=True)
    return Progress(*columns, transient=True, console=screen, disable=not screen.is_terminal)
