"""Self-audits of the installation's machines, as the hospital's side keeps and judges them (rule T4)."""
