"""How jobs start, read their configuration, and fail."""
