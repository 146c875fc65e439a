"""Our examples are distributed as Model Garden's tool distributes them."""

import random

import numpy as np
import pytest

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.text.vocabulary import Vocabulary
from data_prep.documents import Documents
from data_prep.instances import make_instances

# Standard deviations that a difference of two means may have.
TOLERANCE = 4


@pytest.mark.garden
@pytest.mark.parametrize(
    "masking",
    [
        {},
        {"do_whole_word_mask": True},
        {"do_whole_word_mask": True, "max_ngram_size": 3},
    ],
)
def test_lengths_pairs_and_masks_agree(corpus_file, vocab_file, masking):
    parameters = DataParameters(
        max_seq_length=64, max_predictions_per_seq=8, dupe_factor=20, **masking
    )
    ours = ours_of(corpus_file, vocab_file, parameters)
    theirs = theirs_of(corpus_file, vocab_file, parameters)
    num_ours, num_theirs = len(ours["length"]), len(theirs["length"])
    # Over seeds, either tool's count has a standard deviation of about 0.9 %.
    assert num_ours == pytest.approx(num_theirs, rel=TOLERANCE * 0.009 * 2**0.5)
    for name, values in ours.items():
        error = np.hypot(
            values.std() / np.sqrt(num_ours), theirs[name].std() / np.sqrt(num_theirs)
        )
        difference = abs(values.mean() - theirs[name].mean())
        assert difference < TOLERANCE * error, name
    # Kolmogorov and Smirnov's distance of all lengths, at a level of 0.001.
    limit = 1.95 * np.sqrt(1 / num_ours + 1 / num_theirs)
    for name in ("length", "first_length"):
        grid = np.arange(65)
        distance = np.abs(
            np.searchsorted(np.sort(ours[name]), grid, "right") / num_ours
            - np.searchsorted(np.sort(theirs[name]), grid, "right") / num_theirs
        ).max()
        assert distance < limit, name


def tokenizer_of(vocab_file):
    from official.nlp.tools import tokenization

    return tokenization.FullTokenizer(str(vocab_file), do_lower_case=True)


def ours_of(corpus_file, vocab_file, parameters):
    tokenizer = tokenizer_of(vocab_file)
    documents = Documents.from_lists(
        [
            [
                tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line))
                for line in document.splitlines()
            ]
            for document in corpus_file.read_text(encoding="utf-8").split("\n\n")
        ]
    )
    vocabulary = MaskingVocabulary.of(Vocabulary.load_file(vocab_file))
    batches = list(make_instances(documents, vocabulary, parameters, shard_index=0))
    batch = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    length = batch["input_mask"].sum(axis=1, dtype=np.int64)
    rows = np.arange(len(length))[:, None]
    real = batch["masked_lm_weights"] > 0
    shown = batch["input_ids"][rows, batch["masked_lm_positions"]]
    return {
        "length": length,
        "first_length": length - batch["segment_ids"].sum(axis=1, dtype=np.int64),
        "label": batch["next_sentence_labels"][:, 0],
        "masked": real.sum(axis=1),
        "as_mask": (real & (shown == vocabulary.mask_id)).sum(axis=1),
        "as_original": (real & (shown == batch["masked_lm_ids"])).sum(axis=1),
    }


def theirs_of(corpus_file, vocab_file, parameters):
    from official.nlp.data import create_pretraining_data as garden

    random.seed(parameters.random_seed)  # its n-gram masking draws from the global one
    instances = garden.create_training_instances(
        [str(corpus_file)],
        tokenizer_of(vocab_file),
        garden.get_processor_text_fn(is_sentence_piece=False, do_lower_case=True),
        parameters.max_seq_length,
        parameters.dupe_factor,
        parameters.short_seq_prob,
        parameters.masked_lm_prob,
        parameters.max_predictions_per_seq,
        random.Random(parameters.random_seed),
        do_whole_word_mask=parameters.do_whole_word_mask,
        max_ngram_size=(
            parameters.max_ngram_size if parameters.max_ngram_size > 1 else None
        ),
    )
    shown = [
        [
            (instance.tokens[position], label)
            for position, label in zip(
                instance.masked_lm_positions, instance.masked_lm_labels, strict=True
            )
        ]
        for instance in instances
    ]
    return {
        "length": np.array([len(each.tokens) for each in instances]),
        "first_length": np.array([each.segment_ids.count(0) for each in instances]),
        "label": np.array([int(each.is_random_next) for each in instances]),
        "masked": np.array([len(each) for each in shown]),
        "as_mask": np.array(
            [sum(token == "[MASK]" for token, _ in each) for each in shown]
        ),
        "as_original": np.array(
            [sum(token == label for token, label in each) for each in shown]
        ),
    }
