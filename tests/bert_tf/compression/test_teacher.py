"""What tells a teacher from any other."""

import dataclasses

import numpy as np

from bert_tf.compression.teacher import Teacher
from bert_tf.config import BertConfig


@dataclasses.dataclass
class LaterConfig(BertConfig):
    """As a later version may have it."""

    rotary: int = 4


def fingerprint(weights):
    return Teacher("teacher", weights).fingerprint()


def test_a_run_goes_on_with_a_version_that_has_more_fields(make_weights):
    weights = make_weights()
    values = dataclasses.asdict(weights.config)

    def later(**fields):
        config = LaterConfig(**values, **fields)
        return dataclasses.replace(weights, config=config)

    assert fingerprint(later()) == fingerprint(weights)
    assert fingerprint(later(rotary=8)) != fingerprint(weights)


def test_another_shape_or_value_is_another_teacher(make_weights):
    weights = make_weights()
    exact = dataclasses.replace(weights.config, hidden_act="gelu_erf")
    changed = dict(weights.variables)
    name = next(iter(changed))
    changed[name] = np.nextafter(changed[name], np.float32(np.inf))
    for other in (
        dataclasses.replace(weights, config=exact),
        dataclasses.replace(weights, variables=changed),
    ):
        assert fingerprint(other) != fingerprint(weights)
        assert fingerprint(other)["vocab_hash"] == fingerprint(weights)["vocab_hash"]
