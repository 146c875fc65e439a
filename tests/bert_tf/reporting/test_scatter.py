"""Scatter charts as SVG."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from bert_tf.reporting.scatter import Dot, scatter

SVG = "{http://www.w3.org/2000/svg}"


def draw(*dots, title="Title", label="MB"):
    svg = scatter(title, label, dots)
    named = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ElementTree.fromstring(named)


def test_equal_ratios_are_equal_distances():
    drawn = draw(*(Dot(x, y, f"at {x}", True) for x, y in ((1, 3), (10, 2), (100, 1))))
    places = [
        (float(circle.get("cx")), float(circle.get("cy")))
        for circle in drawn.iter(f"{SVG}circle")
    ]
    left, middle, right = (x for x, _ in places)
    assert middle - left == pytest.approx(right - middle, abs=0.2)
    heights = [y for _, y in places]
    assert heights == sorted(heights)  # Downwards, as SVG counts.
    width, height = float(drawn.get("width")), float(drawn.get("height"))
    assert all(0 < x < width and 0 < y < height for x, y in places)


def test_only_full_dots_have_their_label_beside_them():
    drawn = draw(Dot(1, 1, "a < b", True), Dot(2, 2, "ring", False), title="A & B")
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert "a < b" in texts and "A & B" in texts and "ring" not in texts
    assert [title.text for title in drawn.iter(f"{SVG}title")] == ["a < b", "ring"]
    fills = [circle.get("fill") for circle in drawn.iter(f"{SVG}circle")]
    assert fills[0] != "none" and fills[1] == "none"


def test_one_dot_is_drawn_and_none_is_nothing():
    assert len(list(draw(Dot(3, 0.5, "a", True)).iter(f"{SVG}circle"))) == 1
    assert scatter("Title", "MB", []) == ""
    assert scatter("Title", "MB", [Dot(1, math.nan, "a", True)]) == ""
    assert scatter("Title", "MB", [Dot(math.inf, 1, "a", True)]) == ""
