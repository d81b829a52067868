"""What can go wrong in a demonstration.

DemoError       it cannot start or go on
"""

from ecluse.errors import MachineError


class DemoError(MachineError):
    """A demonstration cannot start or go on; the sentence says what is missing and how to supply it."""
