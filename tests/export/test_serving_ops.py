"""No operation gets into a SavedModel that stock TF Serving does not link."""

import dataclasses
import subprocess
import sys

import pytest
import tensorflow as tf

from bert_tf.errors import InputError
from export.saved_model import saving, serving_ops

pytestmark = pytest.mark.slow


class Lower(tf.Module):
    """`good` needs nothing; `bad` calls Python, from inside of a loop's body."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def good(self, text):
        return {"lower": tf.strings.lower(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def bad(self, text):
        def body(text):
            text = tf.numpy_function(lambda value: value, [text], tf.string)
            return tf.ensure_shape(text, [None])

        return {"lower": tf.while_loop(lambda text: tf.size(text) > 9, body, [text])[0]}


def test_an_operation_that_is_not_linked_is_named_with_its_signature(tmp_path):
    module = Lower()
    signatures = {"good": module.good, "bad": module.bad}
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    assert serving_ops.used_ops(tmp_path)["StringLower"] == {"good"}
    message = r"TF Serving does not link PyFunc \(in the signatures: bad\)"
    with pytest.raises(InputError, match=message) as error:
        serving_ops.check(tmp_path, with_text=True)
    assert "--signatures=ids" not in str(error.value)


def test_the_tokenizer_needs_a_server_that_links_it(saved_model_dir):
    used = serving_ops.used_ops(saved_model_dir)
    assert used["FastBertNormalize"] == {"serving_default", "embed"}
    serving_ops.check(saved_model_dir, with_text=True)
    with pytest.raises(InputError, match="Export with --signatures=ids") as error:
        serving_ops.check(saved_model_dir, with_text=False)
    assert "FastWordpieceTokenizeWithOffsets" in str(error.value)
    assert "(in the signatures: embed, serving_default)" in str(error.value)


def test_an_export_without_text_loads_where_only_tensorflow_is(tmp_path, trained):
    description = saving.save(tmp_path / "1", trained, with_text=False)
    assert description["signatures"] == ["serve_ids", "serve_examples"]
    code = (
        "import sys, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(tmp_path / '1')!r})\n"
        "assert 'tensorflow_text' not in sys.modules\n"
        "print(*model.signatures)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True
    )
    assert done.stdout.split() == ["serve_ids", "serve_examples"], done.stderr


def test_an_export_with_a_foreign_operation_is_refused(tmp_path, trained):
    class Foreign(type(trained.task)):
        def serve_ids(self, model):
            ids = super().serve_ids(model)

            def function(inputs):
                values = tf.numpy_function(abs, [inputs["input_ids"]], tf.int32)
                values = tf.ensure_shape(values, [None, None])
                return ids.function({**inputs, "input_ids": values})

            return dataclasses.replace(ids, function=function)

    foreign = dataclasses.replace(trained, task=Foreign(trained.task.description))
    with pytest.raises(InputError, match="does not link PyFunc .*serve_examples, serv"):
        saving.save(tmp_path / "1", foreign)
