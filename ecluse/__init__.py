"""The composition root: the one command, its settings and the processes it starts."""
