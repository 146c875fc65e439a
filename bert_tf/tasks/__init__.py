"""What a model learns: one file a task."""
