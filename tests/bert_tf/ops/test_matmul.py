import numpy as np
import pytest
import tensorflow as tf

from bert_tf.ops.compiled import compiled, is_compiling
from bert_tf.ops.matmul import matmul


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("compile_it", [True, False])
def test_products_and_their_biases(rows, compile_it):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(1, rows, 5)), 1e3 * rng.normal(size=(5, 7))
    bias = rng.normal(size=7)
    function = compiled(matmul) if compile_it else matmul
    found = function(*(tf.constant(a, tf.float32) for a in (x, kernel, bias)))
    assert found.shape == (1, rows, 7)
    np.testing.assert_allclose(found, x @ kernel + bias, rtol=1e-5, atol=1e-3)


def test_only_a_single_row_is_kept_apart_from_its_bias():
    def computes_a_maximum(rows):
        shapes = ([rows, 5], [5, 7], [7])
        function = compiled(lambda x, kernel, bias: matmul(x, kernel, bias))
        inputs = [tf.zeros(shape) for shape in shapes]
        return "maximum" in function.experimental_get_compiler_ir(*inputs)("hlo")

    assert computes_a_maximum(1)
    assert not computes_a_maximum(2)


def test_what_is_traced_for_xla_knows_it():
    known = []

    @compiled
    def function(x):
        def body(index, x):
            known.append(is_compiling())
            return index + 1, x * 2

        return tf.while_loop(lambda index, _: index < 3, body, (0, x))[1]

    assert function(tf.constant(1.0)) == 8
    assert known and all(known)
    assert not is_compiling()
    tf.function(lambda: known.append(is_compiling()))()
    assert not known[-1]


def test_a_failure_while_tracing_ends_the_compilation():
    @compiled
    def function(x):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        function(tf.constant(1.0))
    assert not is_compiling()
