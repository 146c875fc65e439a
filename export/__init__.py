"""Checkpoints to SavedModel and TFLite artifacts, and their verification."""

import bert_tf  # noqa: F401  (sees to Ctrl-C in the first moments)
