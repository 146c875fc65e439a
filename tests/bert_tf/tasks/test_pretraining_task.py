import math

import numpy as np
import pytest

from bert_tf.tasks.masked_tokens import unigram_baseline
from bert_tf.tasks.pretraining import PretrainingTask, pretraining_description


def test_sums_are_divided_once():
    sums = {
        "masked_lm_weight": 4.0,
        "masked_lm_loss": 8.0,
        "masked_lm_correct": 1.0,
        "next_sentence_weight": 2.0,
        "next_sentence_loss": 1.0,
        "next_sentence_correct": 2.0,
    }
    assert PretrainingTask().summarize(sums) == {
        "loss": 2.5,
        "masked_lm_loss": 2.0,
        "masked_lm_accuracy": 0.25,
        "next_sentence_loss": 0.5,
        "next_sentence_accuracy": 1.0,
        "masked_lm_perplexity": math.exp(2.0),
    }


def test_a_loss_without_weight_is_left_out():
    sums = {"masked_lm_weight": 0.0, "masked_lm_loss": 0.0, "masked_lm_correct": 0.0}
    task = PretrainingTask(pretraining_description(sentence_pairs=False))
    assert task.summarize(sums) == {"loss": 0.0}


def test_unigram_baseline_against_counting():
    train, held_out = np.array([0, 6, 2]), np.array([1, 2, 1])
    smoothed = np.array([1, 7, 3]) / 11
    drawn = [0, 1, 1, 2]
    assert unigram_baseline(train, held_out) == {
        "unigram_accuracy": 0.5,
        "unigram_loss": pytest.approx(-np.mean(np.log(smoothed[drawn]))),
    }
