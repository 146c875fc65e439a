"""Compression as a chain of jobs, and which of the models that come out to ship."""
