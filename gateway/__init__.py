"""The SSH side of the lock: asks, dials and bridges; holds no rule of its own."""
