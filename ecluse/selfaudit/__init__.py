"""The self-audit of one machine: what each part looks at (rule T4)."""
