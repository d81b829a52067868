"""What a process tells of itself: whether it lives, whether it is ready, and its metrics."""
