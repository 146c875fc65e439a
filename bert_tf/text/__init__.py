"""Text to ids: vocabulary, normalization, WordPiece."""
