"""What a decoder writes: settings, sequences, and signatures of a server."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation.config import BOUNDS, GenerationConfig, Words
from bert_tf.generation.results import Generated
from bert_tf.generation.search import generate
from bert_tf.models.decoder_protocol import Decoder
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.text_endpoints import text_specs
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

_WORDS = ("forbidden_words", "forced_words")


def write_from(
    decoder: Decoder,
    inputs: Mapping[str, tf.Tensor],
    vocabulary: Vocabulary,
    config: GenerationConfig,
) -> Generated:
    """Writes a text of each text, from [CLS] on.

    Args:
        decoder: an encoder-decoder model.
        inputs: of its encoder, int32 `[B, seq_length]`.
        vocabulary: of what is written.
        config: the search.
    """
    num_texts = tf.shape(inputs["input_ids"])[0]
    return generate(
        decoder,
        dict(inputs),
        tf.fill([num_texts, 1], vocabulary.cls_id),
        tf.ones([num_texts], tf.int32),
        config,
        end_id=vocabulary.sep_id,
        pad_id=vocabulary.pad_id,
    )


def prompts(
    texts: tf.Tensor, tokenizer: BertTokenizer, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns beginnings as a language model is fed them, in the graph.

    Args:
        texts: strings `[B]`.
        tokenizer: the model's.
        width: most tokens; what is longer loses its beginning.

    Returns:
        Tokens, int32 `[B, width]`, padded at the end, and how many there are, int32
        `[B]`: [CLS] at least.
    """
    vocabulary = tokenizer.vocabulary
    pieces = tokenizer.tokenize(texts)
    first = tf.fill([tf.shape(texts)[0], 1], vocabulary.cls_id)
    ids = tf.concat([first, pieces], axis=1)[:, -width:]
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    return ids.to_tensor(vocabulary.pad_id, shape=[None, width]), lengths


def continue_from(
    decoder: Decoder,
    tokens: tf.Tensor,
    lengths: tf.Tensor,
    vocabulary: Vocabulary,
    config: GenerationConfig,
) -> Generated:
    """Continues texts.

    Args:
        decoder: a language model.
        tokens: int32 `[B, P]`, P known when the graph is made; see `prompts`.
        lengths: int32 `[B]`.
        vocabulary: the model's.
        config: the search.
    """
    return generate(
        decoder,
        {"input_ids": tokens},
        tokens,
        lengths,
        config,
        end_id=vocabulary.sep_id,
        pad_id=vocabulary.pad_id,
    )


def endpoints(
    names: Sequence[str],
    find: Callable[[Batch, GenerationConfig], Generated],
    tokenizer: BertTokenizer,
    config: GenerationConfig,
) -> dict[str, Endpoint]:
    """Returns the signatures that write: `serving_default` and `generate`.

    Both take texts, string `[batch]`, UTF-8, and return `generated_text`, string
    `[batch, n]`, the best first; their `scores`, float32 `[batch, n]`, see `Generated`;
    `lengths`, int32 `[batch, n]`, in tokens, the end counted; and `token_log_probs`,
    float32 `[batch, n, max_new_tokens]`, 0 after the end. `generate` also takes
    `parameters` of the search, `[batch]` each, so that servers may put requests with
    different ones into a batch.

    Args:
        names: of the texts.
        find: writes for a batch of them.
        tokenizer: of what is written.
        config: the search.
    """
    texts = text_specs(*names)

    def write(arguments: Batch, config: GenerationConfig) -> Outputs:
        found = find(arguments, config)
        return {
            "generated_text": tokenizer.written_texts(found.token_ids),
            "scores": found.scores,
            "lengths": found.lengths,
            "token_log_probs": found.token_log_probs,
        }

    asked = parameters(config)

    def write_as_asked(arguments: Batch) -> Outputs:
        values = _checked({n: arguments[n] for n in asked}, arguments[names[0]])
        columns = {name: value[:, tf.newaxis] for name, value in values.items()}
        return write(arguments, dataclasses.replace(config, **columns))

    return {
        "serving_default": Endpoint(texts, lambda arguments: write(arguments, config)),
        "generate": Endpoint({**texts, **asked}, write_as_asked),
    }


def parameters(config: GenerationConfig) -> dict[str, tf.TensorSpec]:
    """Returns what of a search each request may choose.

    `top_p` and `min_p` only where the configuration has such a limit: without any, the
    tokens are not sorted, and the same seed would draw others. `penalty_alpha` only of
    a contrastive search, which greedy search is cheaper than.
    """
    names = ["length_penalty", "repetition_penalty"]
    names += ["penalty_alpha"] * config.is_contrastive
    if config.do_sample:
        names += ["temperature", "seed"]
        names += ["top_p"] * bool(config.top_k or config.top_p < 1)
        names += ["min_p"] * bool(config.min_p)
    return {
        name: tf.TensorSpec(
            [None], tf.int32 if name == "seed" else tf.float32, name=name
        )
        for name in names
    }


def _checked(values: Mapping[str, tf.Tensor], texts: tf.Tensor) -> dict[str, tf.Tensor]:
    """Refuses parameters that cannot be, or that are not one for each text."""
    checks = []
    for name, value in values.items():
        checks.append(
            tf.debugging.Assert(
                tf.reduce_all(tf.shape(value) == tf.shape(texts)),
                [f"{name} must have a value for each text"],
            )
        )
        if name in BOUNDS:
            least, most = BOUNDS[name]
            checks.append(
                tf.debugging.Assert(
                    tf.reduce_all((value >= least) & (value <= most)),
                    [f"{name} must be from {least:g} to {most:g}", value],
                )
            )
    # Run eagerly there is nothing to wait for.
    with tf.control_dependencies([check for check in checks if check is not None]):
        return {name: tf.identity(value) for name, value in values.items()}


def generation_config(
    given: Mapping[str, Any], tokenizer: BertTokenizer, decoder: BertConfig
) -> GenerationConfig:
    """Returns the settings of a search.

    Args:
        given: fields of `GenerationConfig`, words as texts.
        tokenizer: of what is written.
        decoder: the decoder's shape.

    Raises:
        InputError: a setting that there is not, or that cannot be.
    """
    settings = dict(given)
    names = [field.name for field in dataclasses.fields(GenerationConfig)]
    for name in settings:
        if name not in names:
            raise InputError(
                f"Generation has the settings {', '.join(names)}. Received: {name!r}"
            )
    for name in _WORDS:
        if name in settings:
            settings[name] = _word_ids(name, tokenizer, settings[name])
    config = GenerationConfig(**settings).validate()
    less_one = " less one" * config.is_contrastive  # That the last token is fed to.
    most = decoder.max_position_embeddings - config.is_contrastive
    if config.max_new_tokens > most:
        raise InputError(
            f"`max_new_tokens` must be at most the decoder's positions{less_one}, "
            f"{most}. Received: {config.max_new_tokens}"
        )
    return config.check_vocabulary(decoder.vocab_size, tokenizer.vocabulary.sep_id)


def _word_ids(name: str, tokenizer: BertTokenizer, words: Sequence[str]) -> Words:
    """Returns the tokens of each word.

    Raises:
        InputError: a word that the vocabulary has no tokens for.
    """
    if not isinstance(words, list | tuple) or not all(
        isinstance(word, str) for word in words
    ):
        raise InputError(f"`{name}` must be a list of texts. Received: {words!r}")
    if not words:
        return ()
    found = tuple(map(tuple, tokenizer.tokenize(list(words)).to_list()))
    for word, ids in zip(words, found, strict=True):
        if not ids or tokenizer.vocabulary.unk_id in ids:
            raise InputError(
                f"`{name}`: {word!r} cannot be written with the model's vocabulary."
            )
    return found
