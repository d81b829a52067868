"""The rules, one module a family; each says whether it holds and why."""
