"""An intervention under way: its bridge, its supervision and its evidence."""
