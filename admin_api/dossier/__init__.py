"""Evidence packages: one file that proves what happened in a session, or in those of a person over a period."""
