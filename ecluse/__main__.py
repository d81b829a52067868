"""``python -m ecluse`` is the ``ecluse`` command."""

from ecluse.main import run

if __name__ == "__main__":
    run()
