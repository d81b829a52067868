"""What can go wrong in a measurement.

BenchError       something measured did not work, or did not end in time
"""


class BenchError(Exception):
    """A measurement cannot be taken; the text says what was seen instead."""
