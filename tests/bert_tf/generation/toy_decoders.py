"""Decoders whose probabilities a test can compute by itself."""

import numpy as np
import tensorflow as tf


class MarkovDecoder:
    """The next token's scores depend on the last token, by a table, and on the text.

    Its `input_ids` `[B, 1]` say which row of `text_logits` is added to a text's scores.
    Its hidden states are the scores.
    """

    def __init__(self, vocab_size, seed=0, spread=2.0, num_texts=8):
        rng = np.random.default_rng(seed)
        self.table = rng.normal(0, spread, [vocab_size, vocab_size]).astype(np.float32)
        self.text_logits = rng.normal(0, 1, [num_texts, vocab_size]).astype(np.float32)

    def encode(self, inputs, max_length):
        ids = tf.cast(inputs["input_ids"][:, 0], tf.int32)
        return {"memory_text": tf.gather(self.text_logits, ids)}

    def decode(self, token_ids, position, state):
        return (
            tf.gather(self.table, token_ids) + state["memory_text"][:, tf.newaxis],
            state,
        )

    def logits_of(self, hidden):
        return hidden

    def log_probs(self, text, tokens):
        """Log-probabilities after each token, NumPy `[len(tokens), V]`."""
        logits = self.table[list(tokens)] + self.text_logits[text]
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


class RecurrentDecoder:
    """Scores depend on all tokens up to their own, by a sum that forgets.

    A search that mixes up states or positions gets other scores.
    """

    def __init__(self, vocab_size, seed=0, width=8, spread=1.5):
        rng = np.random.default_rng(seed)
        self.vectors = rng.normal(0, 1, [vocab_size, width]).astype(np.float32)
        self.output = rng.normal(0, spread, [width, vocab_size]).astype(np.float32)

    def encode(self, inputs, max_length):
        ids = tf.cast(inputs["input_ids"][:, 0], tf.int32)
        return {
            "memory_first": tf.gather(self.vectors, ids),
            "past_tokens": tf.zeros([tf.shape(ids)[0], max_length], tf.int32),
        }

    def logits_of(self, hidden):
        return hidden @ self.output

    def decode(self, token_ids, position, state):
        num_rows, count = tf.unstack(tf.shape(token_ids))
        offset = tf.broadcast_to(position, [num_rows])
        places = offset[:, tf.newaxis] + tf.range(count)
        rows = tf.broadcast_to(tf.range(num_rows)[:, tf.newaxis], tf.shape(places))
        tokens = tf.tensor_scatter_nd_update(
            state["past_tokens"], tf.stack([rows, places], -1), token_ids
        )
        age = places[..., tf.newaxis] - tf.range(tf.shape(tokens)[1])
        weights = tf.where(age >= 0, 0.7 ** tf.cast(tf.maximum(age, 0), tf.float32), 0)
        sums = weights @ tf.gather(self.vectors, tokens)
        mixed = tf.tanh(sums + state["memory_first"][:, tf.newaxis])
        return mixed, {**state, "past_tokens": tokens}

    def log_probs(self, text, tokens):
        sums, rows = np.zeros_like(self.vectors[0]), []
        for token in tokens:
            sums = 0.7 * sums + self.vectors[token]
            logits = np.tanh(sums + self.vectors[text]) @ self.output
            rows.append(logits - np.log(np.exp(logits).sum()))
        return np.stack(rows)
