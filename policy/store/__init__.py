"""The policy database: SQLAlchemy 2 on SQLite or PostgreSQL, behind repositories and units of work."""
