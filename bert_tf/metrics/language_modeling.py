"""How well a model knows what comes next in a text, in units that can be compared."""

import math

# A loss beyond it overflows; such a model's perplexity means nothing.
_LARGEST_EXPONENT = 700.0


def perplexities(
    loss: float, tokens: float, words: float, num_bytes: float
) -> dict[str, float]:
    """Returns the perplexities of a text.

    That of a token depends on the vocabulary; those of a word and of a byte do not, and
    so compare models of different ones.

    Args:
        loss: sum of the tokens' negative log-likelihoods, in nats.
        tokens: how many.
        words: how many words the text has, divided by blanks.
        num_bytes: of the text in UTF-8.

    Returns:
        `perplexity`, e to the power of the loss a token; `word_perplexity`, that a
        word; and `bits_per_byte`; what has nothing to be divided by is left out.

    Source: Jurafsky and Martin, "Speech and Language Processing", chapter 3; bits per
    byte: Gao et al. 2020 (arXiv:2101.00027), section 3.1.
    """
    found = {}
    if tokens:
        found["perplexity"] = math.exp(min(loss / tokens, _LARGEST_EXPONENT))
    if words:
        found["word_perplexity"] = math.exp(min(loss / words, _LARGEST_EXPONENT))
    if num_bytes:
        found["bits_per_byte"] = loss / num_bytes / math.log(2)
    return found
