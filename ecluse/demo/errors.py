"""What can go wrong in a demonstration.

DemoError       it cannot start or go on
"""


class DemoError(Exception):
    """A demonstration cannot start or go on; the text says what is missing and how to supply it."""
