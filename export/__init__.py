"""Checkpoints to SavedModel and TFLite artifacts, and their verification."""
