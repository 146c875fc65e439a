"""Labelled data: files that users have, as examples and as model inputs."""
