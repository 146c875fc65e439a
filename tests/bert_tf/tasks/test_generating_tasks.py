"""What models that write are trained on, and what they start from."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.decoder_description import describe_vocabulary
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED
from bert_tf.labelled.examples import GenerationExample, Place
from bert_tf.labelled.options import ReadOptions
from bert_tf.labelled.reading import load_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.models import assign_variables, named_variables
from bert_tf.storage.input_files import find_input_files
from bert_tf.tasks.causal_lm import CausalLmTask
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.settings import CausalLmSettings, SequenceToSequenceSettings
from bert_tf.training.finetuning import initialize, open_inputs
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from export.checkpoint import pretrained

PAIRS = [("heart ache", "card"), ("the", "of the heart"), ("ache", "heart ache card")]


def load(kind, path, **columns):
    options = ReadOptions()
    for name, column in columns.items():
        setattr(options.columns, name, column)
    return load_examples(kind, find_input_files(str(path)), options, LabelledReport())


def inputs(tmp_path, task, init_from, text=None, **data):
    path = tmp_path / ("data.jsonl" if text is None else "data.txt")
    lines = [json.dumps({"text": a, "target": b}) for a, b in PAIRS]
    path.write_text("\n".join(lines) if text is None else text)
    return open_inputs(
        FinetuningConfig(
            task=task,
            init_from=str(init_from),
            data=LabelledDataConfig(
                train=str(path),
                eval_share=0.0,
                cache_dir="none",
                **{"max_seq_length": 10, **data},
            ),
        ).validate()
    )


def start(found):
    """The new model, with what it takes of its checkpoints."""
    model = found.task.create_model(found.weights.config)
    initialize(model, found.weights, found.task)
    return model, {n: np.asarray(v) for n, v in named_variables(model).items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, make_weights):
    config = dataclasses.replace(
        make_weights().config, max_position_embeddings=64, num_hidden_layers=2
    )
    weights = make_weights(config=config)
    path = tmp_path_factory.mktemp("checkpoint") / "model"
    conversion.save(weights, path, "native")
    return path, weights


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("source\ttarget", {}),
        ("question\tanswer", {}),
        ("article\tsummary", {}),
        ("en\tde", {"text": "en", "target": "de"}),
        (None, {"text": "1", "target": "2"}),
    ],
)
def test_columns_of_texts_and_targets(tmp_path, header, columns):
    path = tmp_path / "pairs.tsv"
    lines = [header] if header else []
    path.write_text("\n".join([*lines, "a b\tc", " \td", "e\t", "f\tg"]) + "\n")
    examples = load(SequenceToSequenceTask.kind, path, **columns)
    assert [(e.text, e.text_pair, e.target) for e in examples] == [
        ("a b", None, "c"),
        ("f", None, "g"),
    ]


def test_a_question_and_its_passage_are_a_pair(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"question": "q", "context": "c", "answer": "a", "id": 1}\n')
    (example,) = load(SequenceToSequenceTask.kind, path)
    assert (example.text, example.text_pair, example.target) == ("q", "c", "a")
    path.write_text('{"text": "no target"}\n')
    with pytest.raises(InputError, match="no column for `target`"):
        load(SequenceToSequenceTask.kind, path)


def test_lines_are_documents_up_to_a_blank_one(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\na\nb\n\n\nc\n")
    (tmp_path / "text.txt.2").write_text("d\n")
    examples = load(CausalLmTask.kind, f"{path},{path}.2")
    assert [example.text for example in examples] == ["a\nb", "c", "d"]
    path.write_text("\n \n")
    with pytest.raises(InputError, match="blank lines only"):
        load(CausalLmTask.kind, path)
    table = tmp_path / "text.jsonl"
    table.write_text('{"text": "a"}\n{"text": "b"}\n')
    assert [example.text for example in load(CausalLmTask.kind, table)] == ["a", "b"]


@pytest.mark.parametrize("pack", [False, True])
def test_what_a_decoder_is_fed_and_learns(tmp_path, checkpoint, pack):
    settings = SequenceToSequenceSettings(max_target_length=4)
    found = inputs(tmp_path, settings, checkpoint[0])
    vocabulary = found.vocabulary
    cls, sep = vocabulary.cls_id, vocabulary.sep_id
    ids = {entry: index for index, entry in enumerate(vocabulary.entries)}
    targets = {
        "card": [cls, ids["card"], sep],
        "of the heart": [cls, ids["of"], ids["the"], sep],  # Cut.
        "heart ache card": [cls, ids["heart"], sep],
    }
    batch = found.train.reader(replica_batch_size=3, pack=pack).read(0, 1)
    batch = {name: values[0, 0] for name, values in batch.items()}
    rows = batch["decoder_input_ids"]
    assert rows.shape[-1] == 3 and set(batch["decoder_labels"].shape) == {3}
    order = [PAIRS[i] for i in found.train.at(np.arange(3))]
    written = []
    for row in range(len(rows)):
        labels = batch["decoder_labels"][row]
        written.append((rows[row][labels != IGNORED], labels[labels != IGNORED]))
        if pack:
            numbers = batch["decoder_example_ids"][row]
            np.testing.assert_array_equal(numbers > 0, labels != IGNORED)
            assert set(numbers[numbers > 0]) <= set(batch["example_ids"][row])
    if pack:
        return
    for (fed, learned), (_, target) in zip(written, order, strict=True):
        pieces = targets[target] if target != "heart ache card" else None
        if pieces is not None:
            assert fed.tolist() == pieces[:-1] and learned.tolist() == pieces[1:]


def test_packed_and_padded_batches_have_the_same_loss(tmp_path, checkpoint):
    settings = SequenceToSequenceSettings(max_target_length=32, label_smoothing=0.0)
    found = inputs(tmp_path, settings, checkpoint[0], max_seq_length=64)
    model, _ = start(found)
    sums = []
    for pack in (False, True):
        batch = found.train.reader(replica_batch_size=3, pack=pack).read(0, 1)
        rows = batch.pop("num_rows", [[3]])[0][0]
        batch = {name: tf.constant(v[0, 0][:rows]) for name, v in batch.items()}
        outputs = found.task.apply(model, batch)
        sums.append(found.task.sums(outputs, batch) | found.task.weights(batch))
        assert rows == 3 if not pack else rows < 3
    for name, value in sums[0].items():
        np.testing.assert_allclose(sums[1][name], value, rtol=1e-5, err_msg=name)
    assert sums[0]["words"] == sum(len(b.split()) for _, b in PAIRS)
    assert sums[0]["bytes"] == sum(len(b) for _, b in PAIRS)


def test_perplexities_a_token_a_word_and_a_byte():
    task = SequenceToSequenceTask(
        SequenceToSequenceTask.describe(SequenceToSequenceSettings(), [], 8)
    )
    sums = {"token_weight": 4.0, "token_loss": 8.0, "token_correct": 1.0}
    assert task.summarize({**sums, "words": 2.0, "bytes": 16.0}) == pytest.approx(
        {
            "loss": 2.0,
            "token_loss": 2.0,
            "token_accuracy": 0.25,
            "perplexity": np.exp(2),
            "word_perplexity": np.exp(4),
            "bits_per_byte": 0.5 / np.log(2),
        }
    )
    # A training loss may be smoothed: no perplexity follows from it.
    assert "perplexity" not in task.summarize({**sums, "words": 0.0, "bytes": 0.0})


def test_a_warm_start_is_the_checkpoint_on_both_sides(tmp_path, checkpoint):
    path, weights = checkpoint
    found = inputs(
        tmp_path,
        SequenceToSequenceSettings(max_target_length=16, num_decoder_layers=1),
        path,
    )
    _, variables = start(found)
    assert found.task.description.settings["decoder_config"]["num_hidden_layers"] == 1
    for name, value in variables.items():
        source = name.removeprefix("decoder/")
        if source in weights.variables:
            np.testing.assert_array_equal(value, weights.variables[source], name)
        else:
            assert "crossattention" in source, name
    assert "decoder/bert/encoder/layer_0/output/dense/kernel" in variables
    assert "decoder/bert/encoder/layer_1/output/dense/kernel" not in variables


def test_a_random_decoder_and_one_that_shares(tmp_path, checkpoint):
    path, weights = checkpoint
    _, variables = start(
        inputs(
            tmp_path,
            SequenceToSequenceSettings(max_target_length=16, decoder="random"),
            path,
        )
    )
    kernel = "bert/encoder/layer_0/output/dense/kernel"
    np.testing.assert_array_equal(variables[kernel], weights.variables[kernel])
    assert np.abs(variables[f"decoder/{kernel}"] - variables[kernel]).max() > 0.1
    _, shared = start(
        inputs(
            tmp_path,
            SequenceToSequenceSettings(max_target_length=16, decoder="shared"),
            path,
        )
    )
    assert f"decoder/{kernel}" not in shared
    bias = "cls/predictions/output_bias"
    np.testing.assert_array_equal(shared[f"decoder/{bias}"], weights.variables[bias])


def test_two_vocabularies(tmp_path, checkpoint, make_weights, make_vocabulary):
    words = make_vocabulary("kar", "##te", "herz", do_lower_case=False)
    config = dataclasses.replace(
        checkpoint[1].config, vocab_size=len(words), hidden_size=6
    )
    conversion.save(
        make_weights(config=config, vocabulary=words), tmp_path / "german", "native"
    )
    settings = SequenceToSequenceSettings(
        max_target_length=16, decoder_from=str(tmp_path / "german")
    )
    found = inputs(tmp_path, settings, checkpoint[0])
    model, variables = start(found)
    assert found.task.target_vocabulary(found.vocabulary) == words
    assert model.decoder_config.vocab_size == len(words)
    assert variables["enc_to_dec_proj/kernel"].shape == (8, 6)
    # [UNK] for words that only the other vocabulary has.
    assert words.unk_id in found.train.encoded.written.ids
    # It goes on with both from its own checkpoint, in every format that has a place.
    for format in ("native", "hugging_face", "tf1"):
        weights = dataclasses.replace(
            found.weights, variables=variables, task=found.task.description
        )
        conversion.save(weights, tmp_path / format, format)
        again = inputs(
            tmp_path,
            SequenceToSequenceSettings(max_target_length=16),
            tmp_path / format,
        )
        _, kept = start(again)
        assert again.task.target_vocabulary(again.vocabulary) == words
        assert kept.keys() == variables.keys()
        for name, value in variables.items():
            np.testing.assert_array_equal(kept[name], value, name)


def test_a_start_at_random_takes_the_vocabulary_alone(tmp_path, make_vocabulary):
    vocabulary = make_vocabulary("heart", "ache")
    vocabulary.save(tmp_path)
    for settings in (
        CausalLmSettings(size="tiny", norm_first=True),
        SequenceToSequenceSettings(size="tiny"),
    ):
        found = inputs(tmp_path, settings, tmp_path / "vocab.txt")
        assert found.vocabulary == vocabulary and not found.weights.variables
        assert found.weights.config.vocab_size == len(vocabulary)
        assert found.weights.config.hidden_size == 128


def test_every_token_of_a_text_is_predicted_once(tmp_path, checkpoint):
    found = inputs(
        tmp_path,
        CausalLmSettings(),
        checkpoint[0],
        text="the heart\nof the\n\nheart of\n",
        max_seq_length=5,
    )
    vocabulary, encoded = found.vocabulary, found.train.encoded
    ids = {entry: index for index, entry in enumerate(vocabulary.entries)}
    words = "[CLS] the heart of the [SEP] [CLS] heart of [SEP]".split()
    stream = [ids[word] for word in words]
    labels = encoded.token_targets["labels"]
    assert encoded.lengths.tolist() == [5, 5, 2]
    assert labels[labels != IGNORED].tolist() == stream[1:]
    fed = encoded.input_ids[labels != IGNORED]
    assert fed.tolist() == stream[:-1]
    source = LabelledSource(encoded, 5, seed=None)
    reader = source.reader(replica_batch_size=4)
    batch = {name: v[0, 0] for name, v in reader.read(0, 1).items()}
    batch = found.task.leave_out(batch, np.float32([1, 1, 1, 0]))
    batch = {name: tf.constant(value) for name, value in batch.items()}
    model, _ = start(found)
    sums = found.task.sums(found.task.apply(model, batch), batch)
    assert found.task.weights(batch)["token"] == len(stream) - 1
    np.testing.assert_allclose(sums["words"], 6, rtol=1e-6)
    np.testing.assert_allclose(sums["bytes"], 24, rtol=1e-6)
    logits = model({"input_ids": np.array([stream])})["logits"]
    assert logits.shape == (1, 10, len(vocabulary))


def test_settings_that_do_not_fit_the_checkpoint(tmp_path, checkpoint, make_vocabulary):
    path, weights = checkpoint

    def refused(match, task, init_from=path):
        with pytest.raises(InputError, match=match):
            inputs(tmp_path, task, init_from)

    seq2seq = SequenceToSequenceSettings
    refused("max_target_length` must be at most 65", seq2seq(max_target_length=66))
    refused(
        "num_decoder_layers` must be at most 2",
        seq2seq(max_target_length=8, num_decoder_layers=3),
    )
    refused("`task.norm_first` must be False", CausalLmSettings(norm_first=True))
    refused("size` must be", CausalLmSettings(size="huge"))
    refused("decoder_from", seq2seq(decoder="shared", decoder_from="x"))
    other = make_vocabulary("a")
    conversion.save(
        dataclasses.replace(weights, vocabulary=other), tmp_path / "other", "native"
    )
    refused(
        "tie_word_embeddings",
        seq2seq(
            max_target_length=8,
            tie_word_embeddings=True,
            decoder_from=str(tmp_path / "other"),
        ),
    )


def test_a_decoder_that_is_taken_as_it_is_is_the_one_asked_for(tmp_path, checkpoint):
    path, weights = checkpoint
    settings = SequenceToSequenceSettings(max_target_length=8, num_decoder_layers=1)
    found = inputs(tmp_path, settings, path)
    _, variables = start(found)
    trained = dataclasses.replace(
        weights, variables=variables, task=found.task.description
    )
    conversion.save(trained, tmp_path / "trained", "native")
    again = inputs(tmp_path, settings, tmp_path / "trained")
    assert set(start(again)[1]) == set(variables)
    for change in ({"num_decoder_layers": 2}, {"tie_word_embeddings": True}):
        with pytest.raises(InputError, match=f"`task.{next(iter(change))}`.* own"):
            inputs(
                tmp_path, dataclasses.replace(settings, **change), tmp_path / "trained"
            )


def test_pairs_are_not_read_by_a_model_of_single_texts(tmp_path, checkpoint):
    path, weights = checkpoint
    found = inputs(tmp_path, SequenceToSequenceSettings(max_target_length=8), path)
    place = Place("file", 1)
    pair = GenerationExample(text="heart", text_pair="ache", place=place)
    with pytest.raises(InputError, match="was trained on single texts"):
        found.task.encode([pair], weights.vocabulary)


@pytest.mark.parametrize("shared", ["nothing", "word_embeddings", "all"])
def test_rows_without_entries_are_not_written(
    tmp_path, make_weights, make_vocabulary, shared
):
    from bert_tf.models import EncoderDecoder

    weights = make_weights()
    config = dataclasses.replace(weights.config, vocab_size=40)
    decoder = dataclasses.replace(config, num_hidden_layers=1)
    written = make_vocabulary("a", "b") if shared == "nothing" else weights.vocabulary
    assert len(written) < 40
    model = EncoderDecoder(config, decoder if shared != "all" else None, shared)
    large = dataclasses.replace(
        weights,
        config=config,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        task=TaskDescription(
            "sequence_to_sequence",
            8,
            settings={
                "shared": shared,
                "decoder_config": decoder.to_dict() if shared != "all" else None,
                "decoder_vocabulary": describe_vocabulary(written),
            },
        ),
    )
    conversion.save(large, tmp_path / "large", "native")
    folder = resolve_checkpoint(tmp_path / "large")
    settings = SequenceToSequenceSettings(max_target_length=8)
    started, _ = start(inputs(tmp_path, settings, tmp_path / "large"))
    for found in (
        started,
        bert_tf.load(tmp_path / "large").model,
        pretrained.load(folder).model,
    ):
        assert found.config.vocab_size == len(weights.vocabulary)
        assert found.decoder_config.vocab_size == len(written)
        for name, value in named_variables(found).items():
            expected = large.variables[name][: value.shape[0]]
            np.testing.assert_array_equal(value, expected)


def test_weights_of_another_order_are_no_berts(tmp_path, make_weights):
    from bert_tf.models import CausalLM

    weights = make_weights()
    model = CausalLM(weights.config, norm_first=True)
    variables = {n: np.asarray(v) for n, v in named_variables(model).items()}
    task = CausalLmTask.describe(CausalLmSettings(norm_first=True), [], 8)
    weights = dataclasses.replace(weights, variables=variables, task=task)
    conversion.save(weights, tmp_path / "gpt", "native")
    read = conversion.load_any(tmp_path / "gpt")
    assert assign_variables(model, read.variables).missing == []
    for format in ("hugging_face", "tf1", "keras_hub", "model_garden"):
        with pytest.raises(InputError, match="LayerNorms come first"):
            conversion.save(read, tmp_path / format, format)
    for settings in (SequenceToSequenceSettings(max_target_length=8),):
        with pytest.raises(InputError, match="LayerNorms come first"):
            inputs(tmp_path, settings, tmp_path / "gpt")
