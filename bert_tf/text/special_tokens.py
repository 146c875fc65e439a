"""The entries that every vocabulary of BERT's has, and what marks a continuation."""

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
NOT_WRITTEN = (PAD, CLS, SEP, MASK)
"""What readers of a text that a model wrote do not see."""

SUFFIX_INDICATOR = "##"
