import xml.etree.ElementTree as ET

import numpy as np
import pytest

from bert_tf.metrics.calibration import reliability
from bert_tf.metrics.classification import ClassFigures
from bert_tf.reporting import classifier
from bert_tf.reporting.sections import Section, to_html, to_markdown


def test_each_class():
    table = classifier.class_table([ClassFigures("spam", 3, 4, 6)])
    assert table.rows == [["spam", 0.5, 0.75, 0.6, 4, 6]]
    assert len(table.header) == len(table.rows[0])


def test_confusion_matrix_is_shaded_by_row():
    table = classifier.confusion_table(np.array([[3, 1], [0, 0]]), ["no", "yes"])
    assert list(table.header) == ["true \\ predicted", "no", "yes"]
    assert table.rows == [["no", 3, 1], ["yes", 0, 0]]
    assert table.shades == [[0.0, 0.75, 0.25], [0.0, 0.0, 0.0]]


def test_long_class_names_have_numbered_columns():
    names = [f"talk.politics.{i}" for i in range(20)]
    table = classifier.confusion_table(np.eye(20, dtype=int), names)
    assert table.header[1:3] == ["1", "2"]
    assert table.rows[1][0] == "2 talk.politics.1"


def test_of_many_classes_the_commonest_confusions():
    matrix = 100 * np.eye(31, dtype=int)
    matrix[4, 7], matrix[9, 2], matrix[5, 5] = 2, 8, 0
    table = classifier.confusion_table(matrix, [f"c{i}" for i in range(31)])
    assert table.rows == [["c9", "c2", 8], ["c4", "c7", 2]]


def test_errors_keep_to_a_readable_length():
    table = classifier.error_table(
        [("x" * 5000, "a", "b", 0.9), ("short", "b", "a", 1)]
    )
    assert [len(row[0]) for row in table.rows] == [400, 5]
    assert table.rows[0][1:] == ["a", "b", 0.9]


def test_reliability_is_drawn_and_written():
    bins = reliability(np.array([0.55, 0.95, 0.95]), np.array([1, 1, 0]), 10)
    chart = classifier.reliability_chart(bins)
    svg = ET.fromstring(chart.svg)
    bars = list(svg.iter("rect"))
    # Of the two bins that hold a prediction, one is right always, the other half the
    # time.
    heights = [float(bar.get("height")) for bar in bars]
    assert heights == pytest.approx([220.0, 110.0])
    bottoms = {float(bar.get("y")) + float(bar.get("height")) for bar in bars}
    assert len(bottoms) == 1
    assert float(bars[1].get("x")) - float(bars[0].get("x")) == pytest.approx(0.4 * 220)
    assert "ECE 0.450" in chart.svg
    assert [row[:2] for row in chart.table.rows] == [["0.50–0.60", 1], ["0.90–1.00", 2]]
    section = Section("Confidence", [chart])
    assert chart.svg in to_html([section]) and "0.90–1.00" in to_markdown([section])
