"""What the inputs and outputs of an export's signatures mean, for its README."""

from collections.abc import Mapping
from typing import NamedTuple


class Meaning(NamedTuple):
    """What a tensor of a signature means.

    Attributes:
        shape: names of its dimensions.
        text: what it holds.
    """

    shape: tuple[str, ...]
    text: str


_BATCH = ("batch",)
_TOKENS = ("batch", "seq_length")
_LABELS = ("batch", "labels")
_MASKS = ("batch", "masks")
_ENTITIES = ("batch", "entities")
_WRITTEN = ("batch", "num_return_sequences")

_INPUTS = {
    "text": Meaning(_BATCH, "UTF-8 text"),
    "text_pair": Meaning(_BATCH, "the second text of each pair, UTF-8"),
    "question": Meaning(_BATCH, "a question, UTF-8"),
    "context": Meaning(
        _BATCH, "the text that holds the answer, UTF-8; of any length, read in windows"
    ),
    "choices": Meaning(
        ("batch", "choices"), "what to choose from; empty where a text has fewer"
    ),
    "sentences": Meaning(
        ("batch", "sentences"), "a document a row, filled up with empty strings"
    ),
    "input_ids": Meaning(_TOKENS, "[CLS], tokens, [SEP], then padding 0"),
    "input_mask": Meaning(_TOKENS, "1 for a token, 0 for padding"),
    "segment_ids": Meaning(_TOKENS, "0 for the first text, 1 for the second"),
    "masked_lm_positions": Meaning(_MASKS, "where the masks are among the tokens"),
    "cls_positions": Meaning(
        ("batch", "sentences"), "where each sentence's [CLS] is, 0 after the last one"
    ),
    "decoder_input_ids": Meaning(
        ("batch", "target_length"), "[CLS] and the tokens that are written so far"
    ),
    "length_penalty": Meaning(_BATCH, "scores are log-probabilities / length ** this"),
    "repetition_penalty": Meaning(
        _BATCH, "what was written gets a score that many times worse; 1 for none"
    ),
    "temperature": Meaning(_BATCH, "scores are divided by it before tokens are drawn"),
    "seed": Meaning(_BATCH, "of the draws"),
    "top_p": Meaning(_BATCH, "draws are from the likeliest tokens of this probability"),
    "min_p": Meaning(
        _BATCH, "draws are from tokens this many times as probable as the likeliest"
    ),
    "penalty_alpha": Meaning(
        _BATCH, "how much it counts that a token is like those before; 0 to 1"
    ),
    "examples": Meaning(
        _BATCH,
        "serialized `tf.train.Example`s with the inputs of `serve_ids` as int64 lists",
    ),
}

_LOGITS = {
    "pretraining": {
        "masked_lm_logits": Meaning(
            (*_MASKS, "vocabulary"), "score of each token at each position"
        ),
        "next_sentence_logits": Meaning(
            ("batch", "2"), "scores of: the second text follows, it is a random one"
        ),
    },
    "classification": {"logits": Meaning(_LABELS, "score of each label")},
    "multi_label": {"logits": Meaning(_LABELS, "score of each label")},
    "regression": {"logits": Meaning(("batch", "1"), "the value")},
    "token_classification": {
        "logits": Meaning((*_TOKENS, "tags"), "score of each tag for each token")
    },
    "question_answering": {
        "start_logits": Meaning(_TOKENS, "score of an answer that begins here"),
        "end_logits": Meaning(_TOKENS, "score of an answer that ends here"),
    },
    "multiple_choice": {
        "logits": Meaning(("batch", "1"), "score of the choice, one a row")
    },
    "embedding": {
        "sentence_embedding": Meaning(("batch", "hidden"), "the vector of the text")
    },
    "extractive_summarization": {
        "logits": Meaning(("batch", "sentences"), "score of each sentence")
    },
    "sequence_to_sequence": {
        "logits": Meaning(
            ("batch", "target_length", "vocabulary"),
            "score of what comes after each token of `decoder_input_ids`",
        )
    },
    "causal_lm": {
        "logits": Meaning(
            (*_TOKENS, "vocabulary"), "score of what comes after each token"
        )
    },
}

_WRITES = {
    "generated_text": Meaning(_WRITTEN, "what is written, the best first"),
    "scores": Meaning(
        _WRITTEN,
        "log-probability, divided by a power of the length; -inf where no text "
        "keeps all the rules",
    ),
    "lengths": Meaning(_WRITTEN, "tokens of each, the end counted"),
    "token_log_probs": Meaning(
        (*_WRITTEN, "max_new_tokens"), "of each token, natural logarithms, then 0"
    ),
}

_ANSWERS = {
    "pretraining": {
        "tokens": Meaning(
            (*_MASKS, "top_k"), "fillings of each [MASK], likeliest first"
        ),
        "probabilities": Meaning((*_MASKS, "top_k"), "their probabilities"),
        "pooled_output": Meaning(("batch", "hidden"), "the pooler's view of [CLS]"),
        "mean_output": Meaning(("batch", "hidden"), "mean of the last hidden states"),
    },
    "classification": {
        "label": Meaning(_BATCH, "the likeliest label"),
        "probability": Meaning(_BATCH, "its probability"),
        "labels": Meaning(_LABELS, "all labels"),
        "probabilities": Meaning(_LABELS, "their probabilities, which sum to 1"),
    },
    "multi_label": {
        "labels": Meaning(_LABELS, "all labels"),
        "probabilities": Meaning(_LABELS, "probability of each"),
        "applies": Meaning(_LABELS, "whether it reaches the threshold"),
    },
    "regression": {"value": Meaning(_BATCH, "the value")},
    "token_classification": {
        "entity": Meaning(_ENTITIES, "the entity as it stands in the text"),
        "label": Meaning(_ENTITIES, "its type"),
        "start": Meaning(_ENTITIES, "its first character (code point) in the text"),
        "end": Meaning(_ENTITIES, "the character after its last"),
        "probability": Meaning(_ENTITIES, "mean probability of its words"),
    },
    "question_answering": {
        "answer": Meaning(_BATCH, "the answer as it stands in the context, or empty"),
        "start": Meaning(_BATCH, "its first character (code point) in the context"),
        "end": Meaning(_BATCH, "the character after its last"),
        "score": Meaning(_BATCH, "sum of the logits of its ends"),
        "null_score_difference": Meaning(_BATCH, "by how much having no answer leads"),
    },
    "multiple_choice": {
        "index": Meaning(_BATCH, "which choice is likeliest, from 0"),
        "choice": Meaning(_BATCH, "that choice"),
        "probability": Meaning(_BATCH, "its probability"),
        "probabilities": Meaning(("batch", "choices"), "of all choices; they sum to 1"),
    },
    "embedding": _LOGITS["embedding"],
    "extractive_summarization": {
        "scores": Meaning(("batch", "sentences"), "score of each sentence"),
        "indices": Meaning(
            ("batch", "max_sentences"), "sentences of the summary, from 0, then -1"
        ),
    },
    "sequence_to_sequence": _WRITES,
    "causal_lm": _WRITES,
}


def inputs() -> Mapping[str, Meaning]:
    """Returns what inputs mean, whatever the task."""
    return _INPUTS


def outputs(task: str, signature: str) -> Mapping[str, Meaning]:
    """Returns what a signature's outputs mean.

    Args:
        task: its name.
        signature: its name; `serve_ids` and `serve_examples` give logits.
    """
    of_ids = signature in ("serve_ids", "serve_examples")
    return _LOGITS[task] if of_ids else _ANSWERS[task]
