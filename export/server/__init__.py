"""A small HTTP server of one SavedModel, with TF Serving's REST routes."""
