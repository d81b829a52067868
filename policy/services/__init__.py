"""The use cases: what a planner, an administrator or a gateway may ask for."""
