import numpy as np
import pytest

from bert_tf.errors import InputError
from bert_tf.metrics import retrieval

GENERATOR = np.random.default_rng(11)


def test_similarity_follows_the_cosine_not_the_length():
    first = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    second = np.array([[9.0, 0.0], [0.1, 0.1], [0.0, 50.0]])
    figures = retrieval.similarity_metrics(first, second, np.array([3.0, 2.0, 0.0]))
    assert figures["cosine_spearman"] == pytest.approx(1.0)
    cosines = [1.0, np.sqrt(0.5), 0.0]
    expected = np.corrcoef(cosines, [3.0, 2.0, 0.0])[0, 1]
    assert figures["cosine_pearson"] == pytest.approx(expected)


def test_retrieval_against_sorting():
    queries = GENERATOR.normal(size=(700, 8)).astype(np.float32)
    documents = queries + GENERATOR.normal(size=(700, 8)).astype(np.float32)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, documents)]
    order = np.argsort(-(unit[0] @ unit[1].T), axis=1)
    own = np.arange(700)[:, None]
    assert retrieval.retrieval_metrics(queries, documents) == {
        f"accuracy_at_{k}": pytest.approx((order[:, :k] == own).any(axis=1).mean())
        for k in (1, 5, 10)
    }


def test_embeddings_that_are_all_the_same_find_nothing():
    same = np.ones((20, 4), np.float32) * GENERATOR.uniform(1, 2, (20, 1))
    assert retrieval.retrieval_metrics(same, same) == {
        "accuracy_at_1": pytest.approx(1 / 20),
        "accuracy_at_5": pytest.approx(5 / 20),
        "accuracy_at_10": pytest.approx(10 / 20),
    }
    zeros = np.zeros((20, 4))
    figures = retrieval.retrieval_metrics(zeros, zeros)
    assert figures["accuracy_at_1"] == pytest.approx(1 / 20)


def test_the_same_document_twice_is_found_half_the_time():
    documents = np.eye(4)[[0, 1, 1, 2]]
    figures = retrieval.retrieval_metrics(documents, documents, ks=(1, 2))
    assert figures == {"accuracy_at_1": 0.75, "accuracy_at_2": 1.0}


def test_no_more_is_looked_at_than_there_is():
    documents = np.eye(5)
    assert list(retrieval.retrieval_metrics(documents, documents)) == ["accuracy_at_1"]
    one = retrieval.retrieval_metrics(documents[:1], documents[:1])
    assert one == {"accuracy_at_1": 1.0}


def test_embeddings_that_are_no_numbers():
    with pytest.raises(InputError, match="embeddings must be numbers"):
        retrieval.retrieval_metrics(np.full((2, 3), -np.inf), np.ones((2, 3)))
