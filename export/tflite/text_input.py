"""A TFLite signature that takes text: the tokenizer stands in the file, too.

`serve_text` takes strings `[1]`, UTF-8, by the names that the SavedModel's
`serving_default` has for them, and returns what the file's own signature does for their
tokens. It runs where the application registers three of TensorFlow Text's operations;
the file's other signatures run anywhere.

Source: tensorflow/text, `docs/guide/text_tf_lite.ipynb` and
`tensorflow_text/core/pybinds/tflite_registrar.cc`.
"""

import copy
import functools

import tensorflow as tf

from bert_tf.cli.quiet_tensorflow import held_back_stderr
from bert_tf.errors import InputError
from bert_tf.tasks.embedding import EmbeddingTask
from bert_tf.tasks.sequence_task import SequenceTask
from bert_tf.text.tokenization import BertTokenizer
from export.check.litert import TEXT_SIGNATURE
from export.checkpoint.pretrained import TrainedModel
from export.tflite import graph_file, joining

OPERATIONS = (
    "FastBertNormalize",
    "FastWordpieceTokenizeWithOffsets",
    "RaggedTensorToTensor",
)
"""What the signature needs beside TFLite's built-in operations."""


def check(trained: TrainedModel, mediapipe: bool) -> None:
    """Checks that a model's file can take text.

    Args:
        trained: the checkpoint and its model.
        mediapipe: whether the file is to be one for MediaPipe.

    Raises:
        InputError: it cannot.
    """
    if mediapipe:
        raise InputError(
            "--text_input: MediaPipe tokenizes text itself, and takes files with one "
            "signature. Leave out it or --mediapipe."
        )
    if not isinstance(trained.task, SequenceTask | EmbeddingTask):
        raise InputError(
            "--text_input is for models that answer for a text, or a pair of texts, as "
            f"a whole, as classification does. Received: {trained.task.name}. Leave "
            "the flag out and feed the file ids, as export/samples does; a SavedModel "
            "takes text for every task."
        )


class TextInput:
    """The tokenizer of a checkpoint as a graph, which files put before theirs.

    Args:
        trained: what the files were made of, for which `check` passed.

    Attributes:
        names: of the texts.
    """

    def __init__(self, trained: TrainedModel):
        self._tokenizer = BertTokenizer(trained.folder.vocabulary)
        self._length = trained.max_seq_length
        endpoints = trained.task.endpoints(trained.model, self._tokenizer, self._length)
        self.names = list(endpoints["serving_default"].inputs)

    def add(self, content: bytes) -> bytes:
        """Returns a file that takes text, too.

        Args:
            content: a file of `export.tflite.converter`, quantized or not.

        Raises:
            InputError: the tokenizer came out of the converter with other operations
                than `OPERATIONS`.
        """
        joined = joining.JoinedFile(content)
        model = joined.model
        tokenizer, texts = joined.adopt(self._graph)
        (signature,) = (
            copy.deepcopy(each)
            for each in model.signatureDefs
            if each.signatureKey == graph_file.SIGNATURE.encode()
        )
        graph = copy.deepcopy(model.subgraphs[signature.subgraphIndex])
        joining.prepend(graph, signature, tokenizer, texts)
        joined.add(TEXT_SIGNATURE, graph, signature)
        return graph_file.write(model)

    @functools.cached_property
    def _graph(self) -> bytes:
        """The file whose only graph makes of texts what the model takes."""

        def tokenize(**texts: tf.Tensor) -> dict[str, tf.Tensor]:
            segments = [self._tokenizer.tokenize(texts[name]) for name in self.names]
            packed = self._tokenizer.pack(segments, self._length)
            # Of a known shape, so that only the tokenizer's own shapes change.
            return {n: tf.reshape(v, [1, self._length]) for n, v in packed.items()}

        specs = {name: tf.TensorSpec([1], tf.string, name=name) for name in self.names}
        function = tf.function(tokenize).get_concrete_function(**specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function], tf.Module()
        )
        converter.allow_custom_ops = True
        with held_back_stderr():  # The converter lists the operations.
            content = converter.convert()
        codes = graph_file.read(content).operatorCodes
        custom = {code.customCode.decode() for code in codes if code.customCode}
        if others := sorted(custom.difference(OPERATIONS)):
            raise InputError(
                f"--text_input: this TensorFlow makes {', '.join(others)} of the "
                "tokenizer, which neither TFLite nor TensorFlow Text has for phones. "
                "Leave the flag out, or install the versions of constraints.txt."
            )
        return bytes(content)
