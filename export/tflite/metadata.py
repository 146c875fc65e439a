"""What lets MediaPipe and the Task Library open a TFLite file by themselves.

Their tasks take text: they find the tokenizer's vocabulary, the labels, and which
tensor is which in metadata of the file, and the files that it names in a zip archive
behind the graph. Their classifiers expect probabilities.

Source: `mediapipe/tasks/metadata/metadata_schema.fbs`, version 1.5.0, whose fields the
numbers below count; `tasks/python/metadata/metadata_writers` for the names;
`bert_question_answerer.h` in tensorflow/tflite-support for the length of its examples.
"""

import dataclasses
import io
import zipfile
from collections.abc import Sequence

import flatbuffers

from bert_tf.errors import InputError
from bert_tf.text.vocabulary import VOCABULARY_NAME
from export.checkpoint.pretrained import TrainedModel
from export.tflite import graph_changes, graph_file
from export.tflite.graph_file import schema

LABELS_NAME = "labels.txt"
_METADATA_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
# Of the first version with the tokenizer's options.
_MIN_PARSER_VERSION = "1.1.0"
_TENSOR_AXIS_LABELS, _VOCABULARY = 2, 5  # AssociatedFileType
_FEATURE_PROPERTIES = 1  # ContentProperties
_BERT_TOKENIZER_OPTIONS = 4  # ProcessUnitOptions
# BertQuestionAnswerer writes so many tokens into a file, whatever it takes, or aborts.
_ANSWERER_LENGTH = 384
_INPUT_NAMES = {
    "input_ids": ("ids", "Tokenized ids of the input text."),
    "input_mask": ("mask", "1 for tokens, 0 for padding."),
    "segment_ids": ("segment_ids", "0 for the first sequence, 1 for the second."),
}


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What a task's file is to MediaPipe.

    Attributes:
        name: of the task that opens it.
        outputs: name of the model's output -> name in the metadata.
        last: the operation that its output goes through, or None.
    """

    name: str
    outputs: dict[str, str]
    last: str | None = None


_KINDS = {
    "classification": _Kind("BertNLClassifier", {"logits": "probability"}, "SOFTMAX"),
    "multi_label": _Kind("TextClassifier", {"logits": "probability"}, "LOGISTIC"),
    "embedding": _Kind("TextEmbedder", {"sentence_embedding": "embedding"}),
    "question_answering": _Kind(
        "BertQuestionAnswerer",
        {"start_logits": "start_logits", "end_logits": "end_logits"},
    ),
}


def check_opens(trained: TrainedModel) -> None:
    """Checks that there is a task that opens a model's file.

    Raises:
        InputError: there is none, it tokenizes in another way, gives the model other
            texts or another length, or cannot read the labels.
    """
    if trained.task.name not in _KINDS:
        raise InputError(
            f"--mediapipe: neither MediaPipe nor the Task Library has a task for "
            f"{trained.task.name}; they have for {', '.join(_KINDS)}. Leave the flag "
            "out and feed the file ids."
        )
    if not trained.folder.vocabulary.config.do_lower_case:
        raise InputError(
            "--mediapipe: its tokenizer lower-cases all text, but this model's "
            "vocabulary keeps case. Leave the flag out and feed the file ids."
        )
    if trained.task.description.settings.get("pairs"):
        raise InputError(
            "--mediapipe: its classifiers take one text, but this model was trained on "
            "pairs of texts. Leave the flag out and feed the file ids."
        )
    if (
        trained.task.name == "question_answering"
        and trained.max_seq_length != _ANSWERER_LENGTH
    ):
        raise InputError(
            f"--mediapipe: BertQuestionAnswerer takes files of {_ANSWERER_LENGTH} "
            f"tokens only. Received: {trained.max_seq_length}. Pass "
            f"--max_seq_length={_ANSWERER_LENGTH} if the model has so many positions."
        )
    if broken := [name for name in trained.task.description.labels if "\n" in name]:
        raise InputError(
            f"--mediapipe reads labels line by line, and {broken[0]!r} is of several. "
            "Train with another name for it."
        )


def add(content: bytes, trained: TrainedModel) -> bytes:
    """Returns a file with probabilities in place of logits, and with its metadata.

    Args:
        content: a file of `export.tflite.converter`.
        trained: what it was made of, for which `check_opens` passed.
    """
    kind = _KINDS[trained.task.name]
    graph = graph_file.read(content)
    if kind.last is not None:
        graph_changes.append_activation(graph, kind.last, "probabilities")
    files = {VOCABULARY_NAME: trained.folder.vocabulary.files[VOCABULARY_NAME]}
    if kind.last is not None:
        labels = trained.task.description.labels
        files[LABELS_NAME] = "".join(f"{label}\n" for label in labels).encode()
    metadata = _ModelMetadata(graph, kind, trained).serialized()
    graph_file.add_metadata(graph, _METADATA_NAME, metadata)
    archive = io.BytesIO(graph_file.write(graph))
    with zipfile.ZipFile(archive, "a") as behind:
        for name, value in files.items():
            # Stored, not compressed: phones map the file. A fixed date: same bytes.
            behind.writestr(zipfile.ZipInfo(name), value)
    return archive.getvalue()


class _ModelMetadata:
    """The metadata of one file, written from the leaves up as flatbuffers are."""

    def __init__(self, graph: schema.ModelT, kind: _Kind, trained: TrainedModel):
        self._builder = flatbuffers.Builder(1024)
        self._graph = graph
        self._kind = kind
        self._trained = trained

    def serialized(self) -> bytes:
        signature = self._graph.signatureDefs[0]
        (subgraph,) = self._graph.subgraphs
        names = {e.tensorIndex: e.name.decode() for e in signature.inputs}
        inputs = [self._input(names[index]) for index in subgraph.inputs]
        names = {e.tensorIndex: e.name.decode() for e in signature.outputs}
        outputs = [self._output(names[index]) for index in subgraph.outputs]
        tokenizer = self._table(
            (0, self._vector([self._file(VOCABULARY_NAME, _VOCABULARY)]))
        )
        unit = self._table((1, tokenizer), type_of_union=_BERT_TOKENIZER_OPTIONS)
        metadata = self._table(
            (2, self._vector(inputs)),
            (3, self._vector(outputs)),
            (5, self._vector([unit])),
        )
        model = self._table(
            (0, self._string(self._kind.name)),
            (1, self._string(f"BERT for {self._trained.task.name}, by bert-tf.")),
            (3, self._vector([metadata])),
            (7, self._string(_MIN_PARSER_VERSION)),
        )
        self._builder.Finish(model, _IDENTIFIER)
        return bytes(self._builder.Output())

    def _input(self, name: str) -> int:
        label, description = _INPUT_NAMES[name]
        return self._tensor(label, description)

    def _output(self, name: str) -> int:
        if name == "probabilities":
            return self._tensor(
                "probability",
                "Probabilities of the labels.",
                (6, self._vector([self._file(LABELS_NAME, _TENSOR_AXIS_LABELS)])),
            )
        return self._tensor(self._kind.outputs[name], "")

    def _tensor(self, name: str, description: str, *more: tuple[int, int]) -> int:
        properties = self._table()
        content = self._table((1, properties), type_of_union=_FEATURE_PROPERTIES)
        return self._table(
            (0, self._string(name)), (1, self._string(description)), (3, content), *more
        )

    def _file(self, name: str, kind: int) -> int:
        place = self._string(name)
        builder = self._builder
        builder.StartObject(5)
        builder.PrependUOffsetTRelativeSlot(0, place, 0)
        builder.PrependInt8Slot(2, kind, 0)
        return builder.EndObject()

    def _table(self, *fields: tuple[int, int], type_of_union: int = 0) -> int:
        """Writes a table.

        Args:
            *fields: place in the schema, and where the value was written.
            type_of_union: of the union whose type and value are fields 0 and 1.
        """
        builder = self._builder
        builder.StartObject(10)
        for slot, place in fields:
            builder.PrependUOffsetTRelativeSlot(slot, place, 0)
        if type_of_union:
            builder.PrependUint8Slot(0, type_of_union, 0)
        return builder.EndObject()

    def _string(self, value: str) -> int:
        return self._builder.CreateString(value)

    def _vector(self, places: Sequence[int]) -> int:
        builder = self._builder
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return builder.EndVector()
