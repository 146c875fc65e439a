"""Warm-up requests beside an export, which TF Serving answers before it serves.

The first call of each shape is slower than those that follow: operations allocate and
choose their kernels. TF Serving reads at most 1,000 records; these are far fewer, as a
version is not served before all of them are answered.

Source: TensorFlow Serving, "SavedModel Warmup".
"""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.storage.tfrecord import RecordWriter
from export.checkpoint.pretrained import TrainedModel
from export.saved_model import prediction_log, sample_requests
from export.saved_model.saving import EXTRA_ASSETS

FILE_NAME = "tf_serving_warmup_requests"
BATCH_SIZES = (1, 8, 32)
MAX_RECORDS = 1000
"""What TF Serving reads of a file."""
_LENGTHS = (16, 64)


def write(
    directory: str | os.PathLike[str],
    trained: TrainedModel,
    *,
    model_name: str,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> int:
    """Writes `assets.extra/tf_serving_warmup_requests`.

    Each signature gets each of the batch sizes with short texts and one of the longest;
    the smallest batch gets the lengths between too.

    Args:
        directory: the SavedModel.
        trained: what it was made from.
        model_name: what servers call it.
        batch_sizes: ascending.

    Returns:
        The number of records.
    """
    inputs, shapes = input_types(directory), input_shapes(directory)
    longest = trained.max_seq_length
    lengths = [length for length in _LENGTHS if length < longest] + [longest]
    sizes = [(batch_sizes[0], length) for length in lengths]
    sizes += [(batch, lengths[0]) for batch in batch_sizes[1:]]
    if len(lengths) > 1 and len(batch_sizes) > 1:
        sizes.append((batch_sizes[1], longest))
    static = all(None not in shape for shape in shapes["serve_ids"].values())
    if static:
        sizes = [(1, longest)]
    path = Path(directory) / EXTRA_ASSETS / FILE_NAME
    with RecordWriter(path) as writer:
        for batch, length in sizes:
            requests = sample_requests.for_signatures(
                {name: list(types) for name, types in inputs.items()},
                functools.partial(
                    sample_requests.of_size,
                    vocabulary=trained.folder.vocabulary,
                    batch=batch,
                    length=length,
                    masked=trained.task.name == "pretraining",
                ),
            )
            writer.write(
                prediction_log.encode(
                    model_name,
                    signature,
                    {
                        name: np.array(value, inputs[signature][name])
                        for name, value in sample_requests.fit(
                            request, shapes[signature]
                        ).items()
                    },
                )
                for signature, request in requests.items()
            )
        return writer.num_records


def input_types(
    directory: str | os.PathLike[str],
) -> Mapping[str, Mapping[str, np.dtype | type]]:
    """Returns the type of each input of each signature of a SavedModel."""
    return {
        name: {
            key: tf.dtypes.as_dtype(info.dtype).as_numpy_dtype for key, info in inputs
        }
        for name, inputs in _inputs(directory).items()
    }


def input_shapes(
    directory: str | os.PathLike[str],
) -> Mapping[str, Mapping[str, list[int | None]]]:
    """Returns the shape of each input of each signature, None where any will do."""
    return {
        name: {key: tf.TensorShape(info.tensor_shape).as_list() for key, info in inputs}
        for name, inputs in _inputs(directory).items()
    }


def _inputs(directory: str | os.PathLike[str]) -> dict[str, list[tuple[str, Any]]]:
    from tensorflow.core.protobuf import saved_model_pb2

    content = (Path(directory) / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return {
        name: sorted(signature.inputs.items())
        for name, signature in sorted(graph.signature_def.items())
        if name != "__saved_model_init_op"
    }
