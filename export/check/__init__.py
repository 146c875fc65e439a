"""Whether exported files compute what the checkpoint does, each in its own runtime."""
