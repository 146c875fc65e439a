"""Folders of records, and the batches read from them."""
