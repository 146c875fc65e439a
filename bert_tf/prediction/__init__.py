"""A trained model, opened from any format, and what it says of new examples."""
