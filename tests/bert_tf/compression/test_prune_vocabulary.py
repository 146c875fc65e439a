"""Vocabulary pruning: the same tokens and answers on the texts it was done for."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression import entry_uses, vocabulary
from bert_tf.config import BertConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.tokenizer_json import AddedToken
from bert_tf.text.vocabulary import Vocabulary

PIECES = "a b c ab abc abcd ##a ##b ##c ##ab ##bc ##bcd A é . [ ]".split()
WORDS = [
    *("[unused1]", "the", "state", "union", "un", "##ion", "strong", "##er", "peace"),
    *("is", "war", ".", "s", "##s", "t", "##t", "w", "##w", "心", "##心", "<e1>"),
]
TEXTS = ["The state is stronger.", "The union is strong ."] * 3


def make(entries, **settings):
    entries = [*SPECIAL_TOKENS, *entries]
    return Vocabulary.from_entries(entries, TokenizerConfig(**settings))


def prune(whole, texts, **options):
    uses = entry_uses.count_uses(texts, whole)
    return vocabulary.choose_entries(whole, uses.total, **options)


def tokens(entries, texts):
    return [
        [entries.entries[index] for index in ids]
        for ids in BertTokenizer(entries).tokenize(texts).to_list()
    ]


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    words=st.lists(
        st.text("abcdA\u00e9.[ #\u0301", min_size=1, max_size=8), min_size=1
    ),
    chosen=st.lists(st.sampled_from(PIECES), unique=True),
    cased=st.booleans(),
    data=st.data(),
)
def test_words_of_the_corpus_are_split_as_before(words, chosen, cased, data):
    whole = make([*chosen, "d", "##zz"], do_lower_case=not cased)
    words = [*words, "d"]  # At least one has an entry, as the job demands.
    pruned = vocabulary.subset(whole, prune(whole, [" ".join(words)]))
    texts = data.draw(st.lists(st.lists(st.sampled_from(words)).map(" ".join)))
    texts = [*texts, *words]

    assert tokens(pruned, texts) == tokens(whole, texts)
    assert "##zz" not in pruned.entries
    assert pruned.config == whole.config


def test_the_beginning_of_an_unknown_word_stays():
    """Without "ab", "abc" were "a ##bc"."""
    whole = make(["a", "ab", "##bc", "c", "##c", "d"])
    whole = vocabulary.subset(whole, np.delete(np.arange(len(whole)), [8, 9]))
    assert whole.entries[5:] == ("a", "ab", "##bc", "d")

    pruned = vocabulary.subset(whole, prune(whole, ["abc a abbc abbc"]))

    assert pruned.entries[5:] == ("a", "ab", "##bc")
    assert tokens(pruned, ["abc"]) == tokens(whole, ["abc"]) == [["[UNK]"]]


def test_what_stays_and_in_which_order():
    whole = make(WORDS)
    kept = prune(whole, TEXTS)

    assert [whole.entries[index] for index in kept] == [
        *SPECIAL_TOKENS,
        *("the", "state", "union", "strong", "##er", "is", "."),
        *("s", "##s", "t", "##t"),  # Spell new words of the corpus's characters.
    ]
    assert (
        "strong"
        not in vocabulary.subset(
            whole, prune(whole, [*TEXTS[:2], "the union is"], min_count=3)
        ).entries
    )
    always = [whole.entries.index("war")]
    with_war = vocabulary.subset(whole, prune(whole, TEXTS, always=always)).entries
    assert {"war", "w", "##w"} <= set(with_war)


def test_the_estimate_is_of_texts_left_out():
    whole = make(WORDS)
    same = vocabulary.estimate(entry_uses.count_uses([TEXTS[0]], whole))
    assert same is None  # One text cannot be on both sides.

    texts = [f"the state {n}" for n in range(200)]
    uses = entry_uses.count_uses(texts, whole)
    assert 0 < uses.held_out_words["the"] < 50
    uses.held_out_words["union"] += 1
    uses.tokens[:, whole.entries.index("union")] = [0, 1]
    found = vocabulary.estimate(uses)
    num_words = uses.held_out_words.total()
    assert found.before.num_words == found.after.num_words == num_words
    # "union" is of the held-out texts alone, and not spelled without its entry.
    assert found.same == pytest.approx(1 - 1 / num_words)
    assert found.after.unknown_rate == pytest.approx(
        found.before.unknown_rate + 1 / num_words
    )


@pytest.fixture(scope="module")
def model(make_weights):
    """A model of two more rows than entries, with an added token."""
    config = BertConfig(
        vocab_size=len(SPECIAL_TOKENS) + len(WORDS) + 2,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    weights = make_weights(config=config, vocabulary=make(WORDS))
    weights.hugging_face.added_tokens.append(
        AddedToken("<e1>", WORDS.index("<e1>") + 5)
    )
    return weights


def head_of(weights, name):
    generator = np.random.default_rng(2)
    shapes = names.task_head(name, 2, weights.config)
    head = {n: generator.standard_normal(s, np.float32) for n, s in shapes.items()}
    return dataclasses.replace(
        weights,
        variables=weights.variables | head,
        task=TaskDescription(name, max_seq_length=16, labels=("bad", "good")),
    )


def run(warm, **flags):
    return warm.run(
        ["-m", "bert_tf.prune_vocabulary"]
        + [f"--{name}={value}" for name, value in flags.items()]
    )


@pytest.fixture(scope="module")
def job(warm, model, tmp_path_factory):
    """The job on a classifier: the folder before, the one after, what was said."""
    root = tmp_path_factory.mktemp("job")
    conversion.save(head_of(model, "classification"), root / "model", "native")
    rows = "".join(f'"{text}",good\n' for text in TEXTS)
    (root / "train.csv").write_text(f"text,label\n{rows}")
    (root / "more.txt").write_text("The war.\n\n")
    (root / "keep.txt").write_text("Peace\n")
    done = run(
        warm,
        checkpoint=root / "model",
        input_file=f"{root / 'train.csv'},{root / 'more.txt'}",
        keep_file=root / "keep.txt",
        output_dir=root / "pruned",
    )
    assert done.returncode == 0, done.stderr
    return root, done.stdout


def test_the_job_says_what_it_did(job):
    root, said = job
    folder = load_model_folder(root / "pruned")
    entries = set(folder.vocabulary.entries)
    assert {"war", "peace", "union", "<e1>"} <= entries
    assert not {"[unused1]", "un", "心"} & entries
    assert folder.config.vocab_size == len(entries)
    num = f"{len(entries)} of {len(WORDS) + 5}"
    assert f"Entries: {num}; weights: " in said
    assert "100.00% of the texts' tokens" in said
    assert f"Wrote {root / 'pruned'}" in said
    assert f"--checkpoint={root / 'pruned'}" in said.splitlines()[-1]
    (step,) = folder.metadata["history"]
    assert step.startswith(f"Of 26 vocabulary entries kept {len(entries)}, those that")

    # What was done to a model stays with it, through another pruning too.
    again = conversion.load_any(root / "pruned")
    assert again.history == [step]
    (added,) = again.hugging_face.added_tokens
    assert folder.vocabulary.entries[added.id] == added.content == "<e1>"


def test_answers_are_the_same_to_the_bit(job):
    from bert_tf.prediction import predictor

    root, _ = job
    texts = [*TEXTS[:2], "the war", "peace", "union state war strong . x"]
    before = predictor.load(root / "model").predict(texts)
    assert predictor.load(root / "pruned").predict(texts) == before
    vectors = [
        predictor.load(root / name, "embedding").predict(texts)
        for name in ("model", "pruned")
    ]
    assert vectors[0] == vectors[1]


def test_fine_tuning_starts_from_it(job):
    from bert_tf.models import SequenceClassifier, named_variables
    from bert_tf.training import init_from

    root, _ = job
    folder = load_model_folder(root / "pruned")
    start = SequenceClassifier(folder.config, num_labels=2)
    init_from.initialize(start, folder.config, folder.vocabulary, folder.path)
    for name, value in named_variables(start).items():
        if name in folder.variables:
            np.testing.assert_array_equal(value, folder.variables[name])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__")  # Keras saves so.
@pytest.mark.parametrize("format", ["hugging_face", "tf1", "keras_hub"])
def test_a_tied_masked_lm_head_follows_through_every_format(model, tmp_path, format):
    from bert_tf.models import BertPretrainer, assign_variables

    kept = prune(model.vocabulary, TEXTS)
    pruned = vocabulary.prune(model, kept)
    assert pruned.config.vocab_size == len(kept)

    conversion.save(pruned, tmp_path / "other", format)
    back = conversion.load_any(tmp_path / "other")
    assert back.vocabulary == pruned.vocabulary
    for name, array in pruned.variables.items():
        np.testing.assert_array_equal(back.variables[name], array, name)

    logits = []
    for weights in (model, pruned, back):
        ids = BertTokenizer(weights.vocabulary).tokenize(TEXTS[:1]).to_list()
        bert = BertPretrainer(weights.config)
        assign_variables(bert, weights.variables)
        outputs = bert(
            {
                "input_ids": np.array(ids, np.int32),
                "input_mask": np.ones_like(ids, np.int32),
                "segment_ids": np.zeros_like(ids, np.int32),
                "masked_lm_positions": np.array([[1, 2]], np.int32),
            }
        )
        logits.append({name: np.asarray(value) for name, value in outputs.items()})
    name = "masked_lm_logits"
    # A product of another width may round in another way.
    np.testing.assert_allclose(
        logits[0][name][..., kept], logits[1][name], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(logits[1][name], logits[2][name])
    name = "next_sentence_logits"
    np.testing.assert_array_equal(logits[0][name], logits[1][name])


@pytest.mark.slow
def test_hugging_face_computes_the_same_from_it(model, tmp_path):
    import torch
    import transformers

    always = vocabulary.entries_of_added_tokens(model)
    kept = prune(model.vocabulary, TEXTS, always=always)
    pruned = vocabulary.prune(model, kept)
    logits = []
    for name, weights in (("before", model), ("after", pruned)):
        conversion.save(
            head_of(weights, "classification"), tmp_path / name, "hugging_face"
        )
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
            tmp_path / name
        ).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / name)
        inputs = tokenizer(
            [TEXTS[0], "The<e1> union"], padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            logits.append(theirs(**inputs).logits.numpy())
    np.testing.assert_array_equal(logits[0], logits[1])


def test_bad_input_gets_one_line(warm, model, tmp_path):
    source = tmp_path / "model"
    conversion.save(model, source, "native")
    good = tmp_path / "good.txt"
    good.write_text("the state\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "foreign.txt").write_text("ξένο κείμενο\n")
    (tmp_path / "keep.txt").write_text("war\nξένο\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    bare = tmp_path / "bare"
    conversion.save(model, bare, "hugging_face")
    for name in ("vocab.txt", "tokenizer.json"):
        (bare / name).unlink(missing_ok=True)
    other = tmp_path / "other"
    conversion.save(model, other, "hugging_face")
    (other / "tokenizer.json").unlink(missing_ok=True)
    rows = [*SPECIAL_TOKENS, *map(str, range(100))]
    (other / "vocab.txt").write_text("\n".join(rows) + "\n")

    flags = {
        "checkpoint": source,
        "input_file": good,
        "output_dir": tmp_path / "out",
    }
    cases = {
        "empty.txt: holds no text": {"input_file": tmp_path / "empty.txt"},
        "for none of its 2 words": {"input_file": tmp_path / "foreign.txt"},
        "no such file, or no file matches": {"input_file": tmp_path / "absent"},
        "full already exists": {"output_dir": tmp_path / "full"},
        "good.txt already exists": {"output_dir": good},
        "keep.txt: line 2: ": {"keep_file": tmp_path / "keep.txt"},
        "empty.txt: holds no words": {"keep_file": tmp_path / "empty.txt"},
        "bare: has no vocabulary": {"checkpoint": bare},
        "One of them is of another model": {"checkpoint": other},
        "--min_count": {"min_count": 0},
    }
    for message, changed in cases.items():
        done = run(warm, **flags | changed)
        assert done.returncode in (1, 2), message
        (line,) = [x for x in done.stderr.splitlines() if "error: " in x]
        assert line.startswith("bert_tf.prune_vocabulary: error: ")
        assert message in line
    assert not (tmp_path / "out").exists()

    manifest = json.loads((source / "checkpoint.json").read_text())
    manifest["metadata"]["history"] = [1]
    (source / "checkpoint.json").write_text(json.dumps(manifest))
    assert "metadata.history must be a list of" in run(warm, **flags).stderr


def test_two_vocabularies_are_refused(model):
    task = TaskDescription("sequence_to_sequence")
    two = dataclasses.replace(model, task=task)
    with pytest.raises(ValueError, match="Prune the checkpoints that encoder and"):
        vocabulary.check_prunable(two, "model")


def test_help_has_an_example(without_tensorflow):
    done = subprocess.run(
        [sys.executable, "-m", "bert_tf.prune_vocabulary", "--help"],
        capture_output=True,
        text=True,
        env=without_tensorflow,
    )
    assert "python -m bert_tf.prune_vocabulary --checkpoint=" in done.stdout
