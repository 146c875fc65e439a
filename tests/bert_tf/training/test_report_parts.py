"""Charts and samples, the parts of a report."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.reporting.curves import chart
from bert_tf.tasks.masked_tokens import fill_masks
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary


def points_of(svg):
    (line,) = ET.fromstring(svg).iter("polyline")
    return [tuple(map(float, p.split(","))) for p in line.get("points").split()]


def test_a_chart_is_an_image_of_its_points():
    svg = chart("Loss <nats>", {"training": [(0, 1.0), (50, 3.0), (100, 2.0)]})
    (x0, y0), (x1, y1), (x2, y2) = points_of(svg)
    assert x1 - x0 == pytest.approx(x2 - x1)
    # Up is less in SVG; the second step is half of the first one, downwards.
    assert y0 - y1 == pytest.approx(2 * (y2 - y1), abs=0.2)
    assert "Loss &lt;nats&gt;" in svg


def test_a_chart_leaves_out_what_is_not_finite():
    with_gap = [(0, 1.0), (1, math.nan), (2, math.inf), (3, 2.0)]
    assert len(points_of(chart("x", {"a": with_gap}))) == 2
    assert chart("x", {"a": [(0, math.nan)], "b": []}) == ""


def test_a_constant_and_a_single_point_can_be_drawn():
    for points in ([(0, 0.0), (1, 0.0)], [(5, 1e-4)]):
        assert not re.search("nan|inf", chart("x", {"a": points}))


def test_a_long_curve_is_thinned_but_keeps_its_ends():
    points = points_of(chart("x", {"a": [(i, i) for i in range(10_001)]}))
    assert len(points) <= 402
    assert points[0][0] < points[1][0] < points[-1][0]


def test_samples_show_the_masked_tokens_only():
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sail", "##or", "the"]
    vocabulary = Vocabulary.from_entries(entries, TokenizerConfig())
    batch = {
        "input_ids": np.array([[2, 7, 4, 5, 6, 3, 0]]),
        "input_mask": np.array([[1, 1, 1, 1, 1, 1, 0]]),
        "masked_lm_positions": np.array([[2, 3, 0]]),
        "masked_lm_ids": np.array([[7, 5, 0]]),
        "masked_lm_weights": np.array([[1.0, 1.0, 0.0]], np.float32),
    }
    probabilities = np.full([1, 3, 8], 0.01, np.float32)
    probabilities[0, 0, [5, 7, 1]] = 0.5, 0.3, 0.15

    def model(inputs):
        return {"masked_lm_logits": tf.math.log(probabilities)}

    ((text, rows),) = fill_masks(model, batch, vocabulary)
    assert text == "[CLS] the [MASK] sailor [SEP]"
    # The second chosen token was kept, not masked.
    assert rows == [("the", "sail 0.50, the 0.30, [UNK] 0.15")]
