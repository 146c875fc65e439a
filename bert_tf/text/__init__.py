"""Text to ids: vocabulary, normalisation, WordPiece."""
