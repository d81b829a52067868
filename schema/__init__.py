"""How a database moves forward while programs of two versions use it; knows nothing of what is kept in it."""
