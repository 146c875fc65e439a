"""A checkpoint as a SavedModel that takes text and needs none of our code.

Its signatures are the task's endpoints. Tokenization is part of the graph. It and the
rest use only operations that TF Serving links; a Python process loads them with
`import tensorflow_text`.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.model_folder import CONFIG
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.storage.json_files import write_json
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.text.tokenization import BertTokenizer
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import parts_request, serving_ops
from export.saved_model.inference_weights import InferenceWeights
from export.saved_model.input_checks import WITH_INPUT_IDS, checked_inputs
from export.saved_model.parts_of_batches import ModelInParts

EXTRA_ASSETS = "assets.extra"
"""TF Serving's name for files that travel along without being loaded."""

# Of a part of a request's texts, tokens times hidden size: enough for products to be
# fast, and little enough for a core's cache, 1.5 MB in float32.
_VALUES_AT_ONCE = 512 * 768


class ServedModel(tf.Module):
    """A model's endpoints as functions with signatures.

    Args:
        model: built, with its weights.
        endpoints: signature name -> endpoint.
        config: the model's shape.
        decoder_config: its decoder's, if that is another.
    """

    def __init__(
        self,
        model: keras.Model,
        endpoints: Mapping[str, Endpoint],
        config: BertConfig,
        decoder_config: BertConfig | None = None,
    ):
        super().__init__()
        # Only the variables are tracked: a SavedModel that records Keras layers asks
        # for their classes when it is loaded.
        weights = InferenceWeights(model)
        self.model_variables = weights.variables
        self.endpoints = {
            name: _with_signature(endpoint, config, decoder_config, weights)
            for name, endpoint in endpoints.items()
        }


def _with_signature(
    endpoint: Endpoint,
    config: BertConfig,
    decoder_config: BertConfig | None,
    weights: InferenceWeights,
) -> Callable[..., Any]:
    names = list(endpoint.inputs)

    # Arguments by position, so that `input_signature` allows any number of them.
    def run(*values: tf.Tensor) -> Mapping[str, tf.Tensor]:
        inputs = dict(zip(names, values, strict=True))
        with weights.scope():
            return endpoint.function(checked_inputs(inputs, config, decoder_config))

    return tf.function(run, input_signature=list(endpoint.inputs.values()))


def serve_examples(
    ids: Endpoint, config: BertConfig, decoder_config: BertConfig | None = None
) -> Endpoint:
    """Returns a signature that takes serialized `tf.train.Example`s.

    Args:
        ids: takes their features: int64 lists; mask and segments as long as
            `input_ids`.
        config: the model's.
        decoder_config: its decoder's, if that is another.
    """

    def answer(inputs: Batch) -> Outputs:
        features = {
            name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int32)
            for name in ids.inputs
        }
        parsed = tf.io.parse_example(inputs["examples"], features)
        lengths = parsed["input_ids"].row_lengths()
        checks = [
            tf.debugging.assert_equal(
                values.row_lengths(), lengths, f"{name} must be as long as input_ids"
            )
            for name, values in parsed.items()
            if name in WITH_INPUT_IDS
        ]
        with tf.control_dependencies(checks):
            # What is beyond int32 must stay beyond the tables.
            given = {
                name: tf.saturate_cast(values.to_tensor(), tf.int32)
                for name, values in parsed.items()
            }
        return ids.function(checked_inputs(given, config, decoder_config))

    spec = tf.TensorSpec([None], tf.string, name="examples")
    return Endpoint({"examples": spec}, answer)


def save(
    directory: str | os.PathLike[str],
    trained: TrainedModel,
    *,
    with_text: bool = True,
    static_batch_size: int | None = None,
    precision_reason: str = "requested",
    tokens_at_once: int | None = None,
) -> dict[str, Any]:
    """Writes a SavedModel.

    The write is not atomic: callers write into a folder that is.

    Args:
        directory: the folder to create.
        trained: the checkpoint and its model.
        with_text: whether it has the signatures that take text, which need a server
            that links TensorFlow Text.
        static_batch_size: rows of every request, all of the longest length, to write
            `serve_ids` alone and for this one shape; None for any shape.
        precision_reason: why the model computes in what it does.
        tokens_at_once: of a part of the texts of a request, see `parts_of_batches`; 0
            for all texts at once, None for what suits the model's width. Models that
            write always run all at once.

    Returns:
        What `assets.extra/export.json` says of the export.

    Raises:
        InputError: it uses an operation that TF Serving does not link, or nothing of it
            can run in parts.
    """
    folder, task = trained.folder, trained.task
    with_text = with_text and static_batch_size is None
    parts_request.check(tokens_at_once, task.name, with_text=with_text)
    if tokens_at_once is None:
        in_parts = parts_request.possible(task.name, with_text=with_text)
        tokens_at_once = in_parts * (_VALUES_AT_ONCE // folder.config.hidden_size)
    ids = task.serve_ids(trained.model)
    decoder_config = decoder_description.config_of(folder.task.settings)
    # Tasks that cannot be exported say so, whatever signatures are wanted.
    with_tokenizer = text_endpoints(trained, tokens_at_once)
    if static_batch_size is not None:
        endpoints = {"serve_ids": _with_static_shape(ids, trained, static_batch_size)}
    else:
        endpoints = {
            **(with_tokenizer if with_text else {}),
            "serve_ids": ids,
            "serve_examples": serve_examples(ids, folder.config, decoder_config),
        }
    served = ServedModel(trained.model, endpoints, folder.config, decoder_config)
    tf.saved_model.save(served, str(directory), signatures=served.endpoints)
    serving_ops.check(directory, with_text=with_text)
    description = {
        "bert_tf_version": bert_tf.__version__,
        "tensorflow_version": tf.version.VERSION,
        "checkpoint": os.fspath(folder.path.resolve()),
        "step": folder.step,
        "task": dataclasses.asdict(task.description),
        "max_seq_length": trained.max_seq_length,
        "precision": trained.model.compute_dtype,
        "precision_reason": precision_reason,
        "static_batch_size": static_batch_size,
        "tokens_at_once": tokens_at_once,
        "signatures": list(endpoints),
    }
    extra = Path(directory) / EXTRA_ASSETS
    extra.mkdir()
    for name, content in folder.vocabulary.files.items():
        (extra / name).write_bytes(content)
    for name, value in (
        (CONFIG, folder.config.to_dict()),
        ("export.json", description),
    ):
        write_json(extra / name, value)
    return description


def _with_static_shape(
    ids: Endpoint, trained: TrainedModel, batch_size: int
) -> Endpoint:
    lengths = trained.task.input_lengths(trained.max_seq_length)
    if any(spec.shape.rank != 2 for spec in ids.inputs.values()):
        raise InputError(
            f"--static_shape: the ids of {trained.task.name!r} are more than a "
            "sequence a row. Leave it out."
        )
    specs = {
        name: tf.TensorSpec([batch_size, lengths[name]], spec.dtype, name=name)
        for name, spec in ids.inputs.items()
    }
    return Endpoint(specs, ids.function)


def text_endpoints(
    trained: TrainedModel, tokens_at_once: int = 0
) -> dict[str, Endpoint]:
    """Returns the signatures that take text.

    Args:
        trained: the checkpoint and its model.
        tokens_at_once: see `save`.
    """
    model: Any = trained.model
    if tokens_at_once:
        model = ModelInParts(model, tokens_at_once)
    tokenizer = BertTokenizer(trained.folder.vocabulary)
    return trained.task.endpoints(model, tokenizer, trained.max_seq_length)
