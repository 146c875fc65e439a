"""Sentence embeddings: the loss, the scores, a run from pairs to exports."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from untrained import (
    check_packing_keeps_the_loss,
    export_and_verify,
    make_config,
    make_vocabulary,
    write_pretrainer,
)

import bert_tf
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.labelled.examples import Place, RegressionExample
from bert_tf.labelled.source import LabelledSource
from bert_tf.metrics import retrieval
from bert_tf.models import BertPretrainer
from bert_tf.tasks.embedding import EmbeddingTask
from bert_tf.tasks.losses import in_batch_contrastive_loss
from bert_tf.tasks.settings import EmbeddingSettings
from bert_tf.training import finetuning
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

WORDS = (
    "red blue green old new big small cat dog bird tree house runs sleeps sings".split()
)
VOCABULARY = make_vocabulary(WORDS)
CONFIG = make_config(VOCABULARY, 32)
CONFIG_48 = make_config(VOCABULARY, 48)
TASK = EmbeddingTask(TaskDescription("embedding", 16))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained pretraining model."""
    folder = tmp_path_factory.mktemp("models") / "model"
    return write_pretrainer(folder, CONFIG, VOCABULARY)


def pair(first, second, value=None):
    return RegressionExample(
        text=first, text_pair=second, value=value, place=Place("a file", 1)
    )


def random_pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, n)) for n in rng.integers(3, 9, count)]
    return [(text, " ".join(text.split()[::-1])) for text in texts]


def test_loss_is_that_of_sentence_transformers():
    import torch

    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 8))
    cosine = torch.nn.functional.cosine_similarity
    scores = cosine(torch.tensor(first)[:, None], torch.tensor(second)[None], dim=-1)
    # `MultipleNegativesRankingLoss` with its `scale` of 20.
    expected = torch.nn.functional.cross_entropy(scores * 20, torch.arange(5))
    # In any order, and with places that hold no text.
    order = rng.permutation(12)
    vectors = np.concatenate([first, second, rng.normal(size=(2, 8))])[order]
    ids = np.array([1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0, 0])[order]
    is_second = (np.arange(12) >= 5)[order]
    total = in_batch_contrastive_loss(
        tf.constant(vectors, tf.float32), tf.constant(ids), tf.constant(is_second), 0.05
    )
    assert float(total) / 5 == pytest.approx(float(expected), rel=1e-5)
    assert retrieval.contrastive_loss(first, second, 0.05) == pytest.approx(
        float(expected), rel=1e-9
    )


def test_packed_batches_give_the_same_loss():
    examples = [pair(*texts) for texts in random_pairs(8)]
    encoded = TASK.encode(examples, VOCABULARY)
    encoded = encoded.with_targets(**TASK.targets(examples))
    source = LabelledSource(encoded, 48, seed=0)
    model = TASK.create_model(CONFIG_48)
    check_packing_keeps_the_loss(TASK, model, source, batch_size=8, weight=8)


def test_held_out_scores_do_not_depend_on_batches():
    examples = [pair(*texts) for texts in random_pairs(9)]
    source = TASK.held_out_source(examples, VOCABULARY)
    vectors = np.random.default_rng(1).normal(size=(18, 4)).astype(np.float32)
    found = TASK.score(source, {"sentence_embedding": vectors[source.order]})
    assert found["loss"] == retrieval.contrastive_loss(
        vectors[::2], vectors[1::2], 0.05
    )
    assert found["accuracy_at_1"] == pytest.approx(
        retrieval.retrieval_metrics(vectors[::2], vectors[1::2])["accuracy_at_1"]
    )
    # Of a beginning, the pairs that are whole.
    some = TASK.score(source, {"sentence_embedding": vectors[source.order][:5]})
    chosen = np.sort(source.order[:4:2])
    assert some["loss"] == retrieval.contrastive_loss(
        vectors[chosen], vectors[chosen + 1], 0.05
    )


def test_scored_pairs_are_compared_with_the_cosine():
    task = EmbeddingTask(
        TaskDescription("embedding", 16, settings={"best_metric": "cosine_spearman"})
    )
    examples = [pair(*texts, i) for i, texts in enumerate(random_pairs(6))]
    source = task.held_out_source(examples, VOCABULARY)
    vectors = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
    found = task.score(source, {"sentence_embedding": vectors[source.order]})
    cosines = retrieval.cosines(vectors[::2], vectors[1::2])
    ranks = [np.argsort(np.argsort(values)) for values in (cosines, np.arange(6))]
    assert found["cosine_spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert found["loss"] == pytest.approx(np.mean((cosines - np.arange(6) / 5) ** 2))


def test_what_cannot_be_learned_or_scored_is_refused():
    with pytest.raises(InputError, match="belong together, and have no score"):
        EmbeddingTask.describe(EmbeddingSettings(), [pair("a", "b", 0.5)], 16)
    with pytest.raises(InputError, match="best_metric=cosine_spearman"):
        TASK.targets([pair("a", "b", 0.5)])
    with pytest.raises(InputError, match="learned and evaluated on pairs"):
        TASK.targets([pair("a", None)])
    with pytest.raises(InputError, match="pooling` must be one of"):
        EmbeddingTask(TaskDescription("embedding", settings={"pooling": "first"}))
    lines = TASK.report_lines([pair("a", "b"), pair("c", "b")])
    assert lines[0].startswith("warning: 1 second texts occur more than once")


@pytest.mark.slow
def test_training_makes_vectors_and_exports_that_agree(checkpoint, tmp_path):
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("anchor", "positive"), *random_pairs(60)])
    config = FinetuningConfig(
        task=EmbeddingSettings(),
        init_from=str(checkpoint),
        data=LabelledDataConfig(
            train=str(tmp_path / "pairs.csv"),
            max_seq_length=16,
            global_batch_size=16,
            cache_dir="none",
        ),
        num_train_epochs=8.0,
    )
    config.optimizer.learning_rate = 5e-3
    workdir = tmp_path / "run"
    finetuning.train_and_evaluate(config.validate(), workdir)
    results = json.loads((workdir / "eval.json").read_text())
    assert results["accuracy_at_1"] > 2 * results["chance_accuracy_at_1"]

    texts = ["red cat runs", "old dog", "big house big tree"]
    predictor = bert_tf.load(workdir)
    vectors = np.array([row["embedding"] for row in predictor.predict(texts)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    (row,) = predictor.predict([tuple(texts[:2])])
    np.testing.assert_allclose(row["embedding_pair"], vectors[1], atol=1e-6)
    assert row["cosine"] == pytest.approx(vectors[0] @ vectors[1], abs=1e-6)

    _, served, report = export_and_verify(
        tmp_path, workdir, tmp_path / "pairs.csv", texts, max_examples=12
    )
    found = served.signatures["serving_default"](text=tf.constant(texts))
    np.testing.assert_allclose(found["sentence_embedding"], vectors, atol=1e-5)
    assert report["keras"]["accuracy_at_1"] > 0.5


def test_an_encoder_without_a_head_gives_vectors(checkpoint):
    texts = ["red cat runs", "old dog"]
    found = bert_tf.load(checkpoint, task="embedding", normalize=False).predict(texts)
    model = BertPretrainer(CONFIG)
    from bert_tf.checkpoints.model_folder import load_model_folder
    from bert_tf.models import assign_variables

    assign_variables(model, load_model_folder(checkpoint).variables)
    for row, text in zip(found, texts, strict=True):
        words = [VOCABULARY.entries.index(word) for word in text.split()]
        ids = np.array([[2, *words, 3]], np.int32)
        inputs = {
            "input_ids": ids,
            "input_mask": np.ones_like(ids),
            "segment_ids": np.zeros_like(ids),
        }
        expected = model.bert(inputs)["sequence_output"].numpy()[0].mean(0)
        np.testing.assert_allclose(row["embedding"], expected, atol=1e-5)


def test_a_pretrained_model_fills_masks(checkpoint):
    predictor = bert_tf.load(checkpoint)
    texts = ["red [MASK] runs", "old dog", "[MASK] [MASK] sings"]
    found = predictor.predict(texts)
    assert [len(row["masks"]) for row in found] == [1, 0, 2]
    words = [VOCABULARY.entries.index(word) for word in ("red", "[MASK]", "runs")]
    ids = np.array([[2, *words, 3]], np.int32)
    logits = predictor.model(
        {
            "input_ids": ids,
            "input_mask": np.ones_like(ids),
            "segment_ids": np.zeros_like(ids),
            "masked_lm_positions": np.array([[2]], np.int32),
        }
    )["masked_lm_logits"].numpy()[0, 0]
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities)[:5]
    (mask,) = found[0]["masks"]
    assert [entry["token"] for entry in mask] == [VOCABULARY.entries[i] for i in order]
    np.testing.assert_allclose(
        [entry["probability"] for entry in mask], probabilities[order], rtol=1e-4
    )


def test_what_a_checkpoint_cannot_do_is_said(checkpoint):
    with pytest.raises(InputError, match="cannot be used for 'regression'"):
        bert_tf.load(checkpoint, task="regression")
    with pytest.raises(InputError, match="embedding: unknown field `poling`"):
        bert_tf.load(checkpoint, task="embedding", poling="cls")
    with pytest.raises(InputError, match="`task` must be one of"):
        bert_tf.load(checkpoint, task="poetry")
