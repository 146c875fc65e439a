"""TF Serving's `PredictionLog`: the part of it that warm-up requests need.

`tensorflow-serving-api` has all of it, but requires one TensorFlow release exactly;
these messages have the same numbers and types, so the same bytes, under another name.

Source: tensorflow/serving, tensorflow_serving/apis/prediction_log.proto, predict.proto
and model.proto.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "bert_tf.serving"
_Field = descriptor_pb2.FieldDescriptorProto


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="bert_tf/prediction_log.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=["tensorflow/core/framework/tensor.proto"],
    )

    def message(name: str, *fields: tuple[str, int, str]) -> Any:
        made = file.message_type.add(name=name)
        for field, number, kind in fields:
            if kind == "string":
                made.field.add(
                    name=field,
                    number=number,
                    type=_Field.TYPE_STRING,
                    label=_Field.LABEL_OPTIONAL,
                )
            else:
                made.field.add(
                    name=field,
                    number=number,
                    type=_Field.TYPE_MESSAGE,
                    type_name=kind,
                    label=_Field.LABEL_OPTIONAL,
                )
        return made

    message("ModelSpec", ("name", 1, "string"), ("signature_name", 3, "string"))
    request = message("PredictRequest", ("model_spec", 1, f".{_PACKAGE}.ModelSpec"))
    # A map is a repeated message of keys and values.
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    entry.field.add(
        name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL
    )
    entry.field.add(
        name="value",
        number=2,
        type=_Field.TYPE_MESSAGE,
        type_name=".tensorflow.TensorProto",
        label=_Field.LABEL_OPTIONAL,
    )
    request.field.add(
        name="inputs",
        number=2,
        type=_Field.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.PredictRequest.InputsEntry",
        label=_Field.LABEL_REPEATED,
    )
    message("PredictLog", ("request", 1, f".{_PACKAGE}.PredictRequest"))
    message("PredictionLog", ("predict_log", 6, f".{_PACKAGE}.PredictLog"))
    pool = descriptor_pool.Default()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    return message_factory.GetMessageClass(found)


_PredictionLog = _message_class()


def encode(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Returns a request to a signature as a serialized `PredictionLog`.

    Args:
        model_name: of the model on the server.
        signature: its name.
        inputs: by name.
    """
    log = _PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString(deterministic=True)


def decode(record: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the signature and the inputs of a serialized `PredictionLog`.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    request = _PredictionLog.FromString(record).predict_log.request
    inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
    return request.model_spec.signature_name, inputs
