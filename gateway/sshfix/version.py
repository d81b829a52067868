"""The start-up check of the SSH library's version."""

import asyncssh

from gateway.errors import UnsupportedLibrary

REQUIRED = "2.24.1"


def require_version(found: str = asyncssh.__version__) -> None:
    """Raise UnsupportedLibrary unless asyncssh is exactly the version the overrides were written for."""
    if found != REQUIRED:
        raise UnsupportedLibrary(
            f"asyncssh {found} is installed; this gateway is written for {REQUIRED} exactly: "
            f"install asyncssh=={REQUIRED}"
        )
