"""Text to WordPiece ids and back: the one tokenizer of every stage.

Data preparation, training, the SavedModel and the TFLite file all tokenize through
`BertTokenizer`, so that they cannot disagree. TensorFlow loads when one is built.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bert_tf.errors import InputError
from bert_tf.text import normalization
from bert_tf.text.special_tokens import MASK, NOT_WRITTEN, SUFFIX_INDICATOR, UNK
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import tensorflow as tf

# A longer word becomes [UNK]. google-research/bert limits characters, to 200, and
# tf-text bytes: so many that no word is lost here that is not lost there. Scripts
# without spaces, Thai or Javanese for instance, write words as long as sentences.
MAX_BYTES_PER_WORD = 200 * 4


def _normalizer_model(config: TokenizerConfig) -> "tf.Tensor":
    import tensorflow as tf

    model = normalization.normalizer_model(config.do_lower_case, config.strips_accents)
    return tf.constant(np.frombuffer(model, np.uint8))


class WordSplitter:
    """Splits text into BERT's words, which `BertTokenizer` then splits into pieces.

    TensorFlow loads at the first split, so that bad input is found before.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        """Takes note of the settings.

        Args:
            config: case and accents.
        """
        self._config = config

    @functools.cached_property
    def _operations(self) -> tuple[Any, Any]:
        import tensorflow_text as tf_text

        normalizer = tf_text.FastBertNormalizer(
            model_buffer=_normalizer_model(self._config)
        )
        # To a vocabulary without a character of the text every word is [UNK], and its
        # offsets are the word's.
        tokenizer = tf_text.FastWordpieceTokenizer([UNK, "\uffff"], unknown_token=UNK)
        return normalizer, tokenizer

    def split(self, texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Returns all words of all texts, and how many words each text has.

        Args:
            texts: without NUL.

        Returns:
            The words in order, normalized, and their number, int64 `[len(texts)]`.
        """
        normalizer, tokenizer = self._operations
        normalized = normalizer.normalize(texts)
        _, starts, ends = tokenizer.tokenize_with_offsets(normalized)
        strings = normalized.numpy()
        num_words = starts.row_lengths().numpy()
        sizes = np.fromiter(map(len, strings), np.int64, len(strings))
        base = np.repeat(np.cumsum(sizes) - sizes, num_words)
        text = b"".join(strings)
        words = [
            text[start:end].decode("utf-8")
            for start, end in zip(
                (starts.flat_values.numpy() + base).tolist(),
                (ends.flat_values.numpy() + base).tolist(),
                strict=True,
            )
        ]
        return words, num_words


class BertTokenizer:
    """BERT's tokenizer, eager or inside a graph.

    Source: google-research/bert, `tokenization.py`; Song et al. 2021
    (arXiv:2012.15524) for the linear-time WordPiece that tf-text implements.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Builds the tokenizer's tables; imports TensorFlow."""
        import tensorflow as tf
        import tensorflow_text as tf_text

        self.vocabulary = vocabulary
        self._tokenizer = tf_text.FastBertTokenizer(
            list(vocabulary.entries),
            suffix_indicator=SUFFIX_INDICATOR,
            max_bytes_per_word=MAX_BYTES_PER_WORD,
            token_out_type=tf.int32,
            unknown_token=UNK,
            fast_bert_normalizer_model_buffer=_normalizer_model(vocabulary.config),
        )

    def tokenize(self, texts: Any, literal_mask: bool = False) -> "tf.RaggedTensor":
        """Splits texts into pieces.

        Args:
            texts: string tensor `[batch]`, or what converts to one. UTF-8; a word with
                an invalid byte becomes [UNK].
            literal_mask: whether "[MASK]" written in a text stands for the mask token.
                It does where people ask for fillings. In a corpus it is text.

        Returns:
            int32 ids `[batch, (tokens)]`, without [CLS] and [SEP].
        """
        import tensorflow as tf

        if not literal_mask:
            return self._tokenizer.tokenize(texts)
        parts = tf.strings.split(texts, sep=MASK)
        ids = self._tokenizer.tokenize(parts.flat_values)
        # Each part is preceded by a mask, but for the first of its text.
        masks = tf.fill([tf.shape(ids.row_splits)[0] - 1, 1], self.vocabulary.mask_id)
        ids = parts.with_flat_values(tf.concat([masks, ids], axis=1))
        return ids.merge_dims(1, 2)[:, 1:]

    def count_unknown(self, texts: Sequence[str]) -> int:
        """Returns how many characters of texts are in words that become [UNK]."""
        ids, starts, ends = self.tokenize_with_byte_offsets(texts)
        unknown = ids.flat_values.numpy() == self.vocabulary.unk_id
        contents = [text.encode("utf-8") for text in texts]
        sizes = np.fromiter(map(len, contents), np.int64, len(contents))
        base = np.repeat(np.cumsum(sizes) - sizes, ids.row_lengths().numpy())[unknown]
        # A character's first byte is any but 10xxxxxx.
        is_first = np.frombuffer(b"".join(contents), np.uint8) & 0xC0 != 0x80
        before = np.concatenate([[0], np.cumsum(is_first)])
        return int(
            (
                before[base + ends.flat_values.numpy()[unknown]]
                - before[base + starts.flat_values.numpy()[unknown]]
            ).sum()
        )

    def tokenize_with_byte_offsets(
        self, texts: Any
    ) -> tuple["tf.RaggedTensor", "tf.RaggedTensor", "tf.RaggedTensor"]:
        """Splits texts into pieces and says where each begins and ends.

        `bert_tf.text.pieces` turns the bytes into characters, exactly.

        Args:
            texts: string tensor `[batch]`, or what converts to one.

        Returns:
            Ids, int32, and byte offsets of start and end in the UTF-8 text, int64, all
            `[batch, (tokens)]`.
        """
        return self._tokenizer.tokenize_with_offsets(texts)

    def pack(
        self, segments: Sequence["tf.RaggedTensor"], max_seq_length: int
    ) -> dict[str, "tf.Tensor"]:
        """Makes model inputs: `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`.

        Two segments that are too long together lose tokens from the end of the
        longer one until they fit. Only TensorFlow's core operations are used, which
        every server links.

        Args:
            segments: one or two of int32 `[batch, (tokens)]`.
            max_seq_length: columns of the result, S.

        Returns:
            `input_ids`, `input_mask` (1 = token, 0 = padding) and `segment_ids` (1 =
            B and its [SEP]), int32 `[batch, S]`.

        Raises:
            InputError: not one or two segments, or S leaves them no room.
        """
        import tensorflow as tf

        if len(segments) not in (1, 2):
            raise InputError(
                f"`segments` must be one or two. Received: {len(segments)}"
            )
        room = max_seq_length - 1 - len(segments)
        if room < len(segments):
            raise InputError(
                f"`max_seq_length` must be at least {2 * len(segments) + 1} for "
                f"{len(segments)} segments with [CLS] and [SEP]. "
                f"Received: {max_seq_length}"
            )
        lengths = [tf.cast(segment.row_lengths(), tf.int32) for segment in segments]
        if len(segments) == 2:
            first, second = lengths
            # At a tie the second is cut, so an odd place goes to the first.
            first = tf.minimum(first, tf.maximum(room - second, room - room // 2))
            lengths = [first, tf.minimum(second, room - first)]
        else:
            lengths = [tf.minimum(lengths[0], room)]

        position = tf.range(max_seq_length)[tf.newaxis, :]
        start = tf.ones_like(lengths[0])[:, tf.newaxis]  # past [CLS]
        shape = tf.stack([tf.shape(start)[0], max_seq_length])
        input_ids = tf.where(
            position == 0,
            self.vocabulary.cls_id,
            tf.fill(shape, self.vocabulary.pad_id),
        )
        segment_ids = tf.zeros_like(input_ids)
        for number, (segment, length) in enumerate(zip(segments, lengths, strict=True)):
            dense = segment.to_tensor(shape=[None, max_seq_length])
            index = tf.clip_by_value(position - start, 0, max_seq_length - 1)
            end = start + length[:, tf.newaxis]
            inside = (position >= start) & (position < end)
            shifted = tf.gather(dense, index, batch_dims=1)
            input_ids = tf.where(inside, shifted, input_ids)
            input_ids = tf.where(position == end, self.vocabulary.sep_id, input_ids)
            segment_ids = tf.where(
                (position >= start) & (position <= end), number, segment_ids
            )
            start = end + 1
        return {
            "input_ids": input_ids,
            "input_mask": tf.cast(position < start, tf.int32),
            "segment_ids": segment_ids,
        }

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Returns the vocabulary entries of a sequence of ids."""
        return [self.vocabulary.entries[index] for index in ids]

    def detokenize(self, ids: Iterable[int]) -> str:
        """Returns readable text: pieces joined to words, words to text by spaces."""
        return " ".join(self.ids_to_tokens(ids)).replace(f" {SUFFIX_INDICATOR}", "")

    def written_text(self, ids: Iterable[int]) -> str:
        """Returns what a model wrote as readable text, special tokens left out."""
        entries = self.vocabulary.entries
        return self.detokenize(
            [index for index in ids if entries[index] not in NOT_WRITTEN]
        )

    def written_texts(self, ids: "tf.Tensor") -> "tf.Tensor":
        """Returns the same as `written_text`, in the graph, of each sequence.

        Only TensorFlow's core operations are used, which every server links.

        Args:
            ids: int32 `[..., tokens]`.

        Returns:
            Strings `[...]`.
        """
        import tensorflow as tf

        words = [
            "" if entry in NOT_WRITTEN else f" {entry}"
            for entry in self.vocabulary.entries
        ]
        joined = tf.strings.reduce_join(tf.gather(tf.constant(words), ids), axis=-1)
        text = tf.strings.regex_replace(joined, "^ ", "", replace_global=False)
        return tf.strings.regex_replace(text, f" {SUFFIX_INDICATOR}", "")
