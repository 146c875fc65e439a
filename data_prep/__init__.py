"""Raw text to vocabulary, sentence pairs and masked TFRecords."""
