"""`make bench`: direct sshd, OpenSSH's ``ssh -J`` and Écluse side by side, one table from one run."""

import sys
from pathlib import Path

# run by its path, so that Python looks for modules in this folder alone
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.suite import main  # noqa: E402 - only now can it be found

if __name__ == "__main__":
    main()
