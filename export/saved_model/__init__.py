"""SavedModels for TF Serving, and what is written beside them."""
