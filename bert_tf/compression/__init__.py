"""Makes trained models smaller."""
