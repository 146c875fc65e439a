"""Maps of labels, their counts, and what is wrong with them."""

import numpy as np
import pytest

from bert_tf.errors import InputError
from bert_tf.labelled import conll, labels
from bert_tf.labelled.examples import ClassificationExample, MultiLabelExample, Place
from bert_tf.labelled.labels import LabelMap, LabelStatistics


def places(number):
    return [Place("a.csv", line) for line in range(2, number + 2)]


def test_maps_do_not_depend_on_order():
    assert LabelMap.from_names(["b", "a", "b"]).names == ("a", "b")
    assert LabelMap.from_names(["10", "9", "-1"]).names == ("-1", "9", "10")
    assert LabelMap.from_names(["1.5", "1", "1.0"]).names == ("1", "1.0", "1.5")
    assert LabelMap.from_names(["10", "9", "x"]).names == ("10", "9", "x")
    assert LabelMap.from_names(["nan", "1", "inf"]).names == ("1", "inf", "nan")
    assert LabelMap.from_names(["a"], given=["b", "a"]).names == ("b", "a")


def test_given_labels_are_checked():
    with pytest.raises(InputError, match="labels given, .'b'., lack 'a'"):
        LabelMap.from_names(["a"], given=["b"])
    with pytest.raises(InputError, match="given twice"):
        LabelMap.from_names(["a"], given=["a", "a"])


def test_tags():
    def from_tags(*tags):
        sentence = conll.sentence(["w"] * len(tags), list(tags), Place("a", 1))
        return LabelMap.from_tags([sentence]).names

    assert from_tags("O", "B-Y", "B-X") == ("O", "B-X", "I-X", "B-Y", "I-Y")
    assert from_tags("B-X") == ("O", "B-X", "I-X")
    assert from_tags("VB", "NN", "O") == ("NN", "O", "VB")


def test_ids_and_unknown_labels():
    label_map = LabelMap(("a", "b"))
    ids = label_map.ids(["b", "a", "b"], places(3))
    assert ids.tolist() == [1, 0, 1]
    assert ids.dtype == np.int32
    with pytest.raises(InputError, match="a.csv: line 3: label 'c'.*'a', 'b'.*2 such"):
        label_map.ids(["b", "c", "d"], places(3))


def test_statistics():
    label_map = LabelMap(("a", "b", "c", "d"))
    ids = np.array([0] * 6 + [1] * 2 + [2])
    statistics = LabelStatistics.of(label_map, ids, 9)
    np.testing.assert_allclose(statistics.class_weights(), [0.5, 1.5, 3, 0])
    weights = statistics.class_weights()[ids]
    np.testing.assert_allclose(weights.mean(), 1)
    assert statistics.lines() == [
        "4 labels: a 6 (66.7%), b 2 (22.2%), c 1 (11.1%), d 0 (0.0%)",
        "warning: 1 labels have one example only: c",
        "warning: 1 labels have no example: d",
    ]
    statistics.check_trainable()
    many = LabelMap(tuple(map(str, range(30))))
    lines = LabelStatistics.of(many, np.arange(30), 30).lines()
    assert "and 20 rarer ones" in lines[0]
    assert lines[1].endswith("9, ...")


def test_all_one_label_is_an_error():
    statistics = LabelStatistics.of(LabelMap(("a", "b")), np.zeros(5, int), 5)
    with pytest.raises(InputError, match="All 5 examples of the training data.*'a'"):
        statistics.check_trainable()
    statistics = LabelStatistics.of(LabelMap(()), np.zeros(0, int), 5)
    with pytest.raises(InputError, match="have the label of none"):
        statistics.check_trainable()


def test_classes_and_conflicts():
    examples = [
        ClassificationExample(text=text, label=label, place=place)
        for (text, label), place in zip(
            [("t", "a"), ("t", "b"), ("t", "a"), ("u", "a")], places(4), strict=True
        )
    ]
    assert labels.class_labels(examples) == (["a", "b", "a", "a"], places(4))
    assert labels.count_conflicts(examples) == 1


def test_multi_hot():
    examples = [
        MultiLabelExample(text="t", labels=names, place=place)
        for names, place in zip([("b",), (), ("a", "b")], places(3), strict=True)
    ]
    hot = labels.multi_hot(examples, LabelMap(("a", "b", "c")))
    assert hot.tolist() == [[0, 1, 0], [0, 0, 0], [1, 1, 0]]
    assert hot.dtype == np.float32
    with pytest.raises(InputError, match="a.csv: line 2: label 'b' is not among the 1"):
        labels.multi_hot(examples, LabelMap(("a",)))
