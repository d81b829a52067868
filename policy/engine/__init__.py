"""The decision: pure functions of a request, the facts and an instant."""
