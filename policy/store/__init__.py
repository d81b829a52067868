"""The policy database: tables, repositories, the unit of work and its outbox."""
