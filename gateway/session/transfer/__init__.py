"""What moves files through a session: which commands may, and what each of them did."""
