"""Sentences that make the best summary, against BertSum's rules written out anew."""

import itertools
import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.labelled.examples import Place, SummarizationExample
from bert_tf.labelled.kinds import EXTRACTIVE_SUMMARIZATION
from bert_tf.labelled.summarization import (
    greedy_selection,
    select_sentences,
    with_oracle_labels,
)

SENTENCES = [
    "The treaty was signed on Monday.",
    "Birds sang in the park.",
    "Both countries will open their borders.",
    "The treaty, signed in Paris, opens all borders.",
]


def reference_greedy(sentences, summary, size):
    """BertSum's `greedy_selection`, for lower-case ASCII text."""

    def clean(text):
        return re.sub(r"[^a-zA-Z0-9 ]", "", text).split()

    def grams(n, words):
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    def f(evaluated, reference):
        overlap = len(evaluated & reference)
        precision = overlap / len(evaluated) if evaluated else 0
        recall = overlap / len(reference) if reference else 0
        return 2 * precision * recall / (precision + recall + 1e-8)

    words = [clean(sentence) for sentence in sentences]
    wanted = clean(summary)
    selected, best = [], 0.0
    for _ in range(size):
        current, found = best, -1
        for i in range(len(words)):
            if i in selected:
                continue
            chosen = [*selected, i]
            score = sum(
                f(
                    set().union(*(grams(n, words[j]) for j in chosen)),
                    grams(n, wanted),
                )
                for n in (1, 2)
            )
            if score > current + 1e-7:  # Theirs adds 1e-8 to a divisor.
                current, found = score, i
        if found == -1:
            break
        selected.append(found)
        best = current
    return sorted(selected)


LINE = st.lists(st.sampled_from("abcdefgh"), max_size=7).map(" ".join)


@given(st.lists(LINE, max_size=8), LINE, st.integers(1, 4))
@settings(deadline=None)
def test_greedy_selection_is_bertsums(sentences, summary, size):
    found = greedy_selection(sentences, summary, size)
    assert found == reference_greedy(sentences, summary, size)


def test_greedy_selection():
    assert greedy_selection(SENTENCES, "A treaty opens all borders.", 1) == [3]
    summary = "The treaty was signed\nBoth countries will open their borders"
    assert greedy_selection(SENTENCES, summary, 3) == [0, 2]
    # Words of any script; case and punctuation do not matter.
    assert greedy_selection(["Птицы пели.", "ДОГОВОР подписан"], "«Договор!»") == [1]
    assert greedy_selection(["我爱猫。", "他在北京。"], "北京") == [1]
    assert greedy_selection(SENTENCES, "...") == []
    assert greedy_selection([], "treaty") == []


@given(st.lists(LINE, min_size=1, max_size=6), LINE)
@settings(deadline=None)
def test_no_single_sentence_is_better_than_the_first_choice(sentences, summary):
    (chosen,) = greedy_selection(sentences, summary, 1) or (None,)
    scores = [bool(greedy_selection([sentence], summary, 1)) for sentence in sentences]
    assert (chosen is not None) == any(scores)


def test_labels_are_found_where_there_are_none():
    place = Place("a.jsonl", 1)
    given_labels = SummarizationExample(
        sentences=("a", "b"), labels=(True, False), place=place
    )
    documents = [
        given_labels,
        SummarizationExample(sentences=("a b", "c d"), summary="c d", place=place),
        SummarizationExample(sentences=("a b",), summary="z", place=place),
    ]
    labelled, lines = with_oracle_labels(documents, 2)
    assert [example.labels for example in labelled] == [
        *((True, False), (False, True), (False,))
    ]
    assert lines == [
        "labelled up to 2 sentences of 2 documents, those that share most with their "
        "summary",
        "warning: 1 documents share no word with their summary",
    ]
    assert with_oracle_labels([given_labels]) == ([given_labels], [])


def test_files_with_summaries_are_labelled(write, load):
    path = write("a.csv", "article,highlights\nIt rained. A dog ran off.,Dog ran\n")
    (example,), lines = load(EXTRACTIVE_SUMMARIZATION, path)
    assert example.labels == (False, True)
    assert any("labelled up to 3 sentences of 1 documents" in line for line in lines)
    path = write("a.txt", "It rained. A dog ran off.\nNothing.\n")
    examples, _ = load(EXTRACTIVE_SUMMARIZATION, path, with_targets=False)
    assert [len(example.sentences) for example in examples] == [2, 1]
    assert examples[0].labels is None


def test_sentences_that_repeat_three_words_are_passed_over():
    sentences = [
        "The treaty was signed on Monday.",
        "Yes, the treaty was SIGNED.",
        "...",
        "Birds sang.",
        "The treaty stands.",
    ]
    scores = np.array([0.9, 0.8, 0.7, 0.1, 0.2])
    assert select_sentences(sentences, scores) == [0, 3, 4]
    assert select_sentences(sentences, scores, 2) == [0, 4]
    assert select_sentences(sentences, scores, block_trigrams=False) == [0, 1, 4]
    assert select_sentences([], np.array([])) == []
    # Of equal scores the first.
    assert select_sentences(sentences, np.zeros(5), 1) == [0]


@given(st.lists(LINE, max_size=8), st.integers(0, 99), st.integers(1, 4))
@settings(deadline=None)
def test_what_is_selected_shares_no_three_words(sentences, seed, size):
    scores = np.random.default_rng(seed).normal(size=len(sentences))
    chosen = select_sentences(sentences, scores, size)
    assert len(chosen) <= size and chosen == sorted(chosen)

    def trigrams(index):
        words = sentences[index].split()
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    for one, other in itertools.combinations(chosen, 2):
        assert not trigrams(one) & trigrams(other)
    # What was left out shares some with a better one, is empty, or came too late.
    if len(chosen) < size:
        for index in set(range(len(sentences))) - set(chosen):
            assert not sentences[index] or any(
                trigrams(index) & trigrams(better) and scores[better] > scores[index]
                for better in chosen
            )
