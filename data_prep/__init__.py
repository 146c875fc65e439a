"""Raw text to vocabulary, sentence pairs and masked TFRecords."""

import bert_tf  # noqa: F401  (sees to Ctrl-C in the first moments)
