"""TFLite files of models that write, run as an application does."""

import json

import numpy as np
import pytest
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.generation import search
from bert_tf.generation.config import GenerationConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.check import litert, tflite_weights
from export.check.litert_writing import LiteRtWriter
from export.checkpoint import pretrained
from export.tflite import converter, exporter, quantizer
from export.tflite.settings import Settings

pytestmark = pytest.mark.slow

VOCABULARY = Vocabulary.from_entries(
    [*SPECIAL_TOKENS, *"one two three four five six seven .".split()],
    TokenizerConfig(),
)
LENGTH, MOST = 12, 9
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=24,
    initializer_range=0.7,
)
TEXTS = ["one two.", "three four five six seven seven seven.", "six", "two two two ."]


def trained(folder, model, task, settings):
    from bert_tf.models import named_variables

    save_model_folder(
        folder,
        config=CONFIG,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=VOCABULARY,
        task=TaskDescription(task, LENGTH, settings=settings),
    )
    return pretrained.load(resolve_checkpoint(folder))


@pytest.fixture(scope="module", params=["nothing", "all"])
def writer(request, tmp_path_factory):
    """A model that translates, whose decoder has weights of its own or not."""
    from bert_tf.models import EncoderDecoder

    shared = request.param
    return trained(
        tmp_path_factory.mktemp("writer") / shared,
        EncoderDecoder(CONFIG, CONFIG, shared),
        "sequence_to_sequence",
        {"max_target_length": MOST, "shared": shared},
    )


@pytest.fixture
def small_weights(monkeypatch):
    """All weights of a toy are small."""
    monkeypatch.setattr(quantizer, "MIN_ELEMENTS", 1)


def write_pairs(path):
    """Texts, and what the likeliest tokens would have to be; it does not matter."""
    pairs = [
        {"text": text, "target": target}
        for text, target in zip(TEXTS, TEXTS[::-1], strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, pairs)) + "\n")
    return str(path)


def test_tokens_are_those_of_keras(writer, tmp_path):
    content = converter.convert_float(writer)
    (tmp_path / "float32.tflite").write_bytes(content)
    found = LiteRtWriter(tmp_path / "float32.tflite")
    assert found.most_tokens == MOST - 1
    expected = bert_tf.load(writer.folder.path).generate(TEXTS)
    for text, answer in zip(TEXTS, expected, strict=True):
        example = [text]
        inputs = bert_tf.load(writer.folder.path).example(text, 1)
        encoded = writer.task.encode([inputs], VOCABULARY)
        ids = np.zeros([1, LENGTH], np.int32)
        ids[0, : encoded.lengths[0]] = encoded.input_ids
        mask = (np.arange(LENGTH) < encoded.lengths[0]).astype(np.int32)[np.newaxis]
        features = {
            "input_ids": ids,
            "input_mask": mask,
            "segment_ids": np.zeros_like(ids),
        }
        tokens = found.write([VOCABULARY.cls_id], VOCABULARY.sep_id, features)
        assert len(tokens) == len(answer["token_log_probs"]), example
        words = [VOCABULARY.entries[i] for i in tokens if i != VOCABULARY.sep_id]
        assert [w for w in words if w not in SPECIAL_TOKENS] == (
            answer["generated_text"].split()
        )


def test_a_weight_stands_in_the_file_once(writer):
    content = converter.convert_float(writer)
    sizes = sum(np.asarray(v).nbytes for v in writer.model.weights)
    # A shared model's would be nearly twice as large. The graph takes some 50 KB.
    assert len(content) < sizes + 60_000
    names = {weight.name for weight in tflite_weights.weights(content)}
    assert "decoder/bert/encoder/layer_0/crossattention/self/query/kernel" in names
    assert "bert/encoder/layer_1/output/dense/kernel" in names


@pytest.mark.parametrize("quantization", ["none", "dynamic_int8"])
def test_it_is_measured_and_written(writer, tmp_path, small_weights, quantization):
    settings = Settings(
        quantization=quantization,
        eval_data=write_pairs(tmp_path / "pairs.jsonl"),
        max_metric_drop=1.0,
    )
    exported = exporter.export(writer, settings, tmp_path)
    assert "float32: 4 of 4 as Keras; chrf" in exported.measured
    if quantization == "dynamic_int8":
        assert "\ndynamic_int8: " in exported.measured
        dtypes = {weight.dtype for weight in tflite_weights.weights(exported.content)}
        assert dtypes == {"INT8"}


def test_what_cannot_be_is_refused(writer, tmp_path):
    with pytest.raises(InputError, match="a model that writes is not calibrated"):
        exporter.export(writer, Settings(quantization="int8"), tmp_path)


def test_examples_longer_than_the_file_are_told(writer, tmp_path):
    shorter = pretrained.load(resolve_checkpoint(writer.folder.path), 5)
    settings = Settings(eval_data=write_pairs(tmp_path / "pairs.jsonl"))
    with pytest.raises(InputError, match="12 tokens long, but .* at most 5 "):
        exporter.export(shorter, settings, tmp_path)


def test_what_asks_for_answers_at_once_says_so(writer, tmp_path):
    path = tmp_path / "writer.tflite"
    path.write_bytes(converter.convert_float(writer))
    for opening in (litert.signatures, lambda path: litert.TFLiteBackend(path, 1)):
        with pytest.raises(InputError, match="not a .* that answers at once"):
            opening(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more_lengths": (LENGTH // 2,)}, "are for models that answer at once"),
        ({"report_dir": "report"}, "are for models that answer at once"),
        ({"text_input": True}, "--text_input is for .*: sequence_to_sequence"),
    ],
)
def test_what_is_for_models_that_answer_at_once(writer, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        exporter.export(writer, Settings(**changes), tmp_path)
    assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_scored_is_told_before_the_work(
    writer, tmp_path, monkeypatch
):
    monkeypatch.setattr(converter, "convert_float", None)
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n')
    settings = Settings(eval_data=str(tmp_path / "texts.jsonl"))
    with pytest.raises(InputError, match="no column for `target`"):
        exporter.export(writer, settings, tmp_path)


def test_a_language_model_continues_its_prompt(tmp_path, monkeypatch):
    from bert_tf.models import CausalLM

    found = trained(
        tmp_path / "model",
        CausalLM(CONFIG, norm_first=True),
        "causal_lm",
        {"norm_first": True},
    )
    (tmp_path / "file").write_bytes(converter.convert_float(found))
    writer = LiteRtWriter(tmp_path / "file")
    prompt = [VOCABULARY.cls_id, 6, 8, 5]
    tokens = tf.constant([prompt])
    expected = search.generate(
        found.model,
        {"input_ids": tokens},
        tokens,
        tf.constant([len(prompt)]),
        GenerationConfig(max_new_tokens=LENGTH - len(prompt) + 1),
        VOCABULARY.sep_id,
        VOCABULARY.pad_id,
    )
    length = int(expected.lengths[0, 0])
    written = writer.write(prompt, VOCABULARY.sep_id)
    assert written == expected.token_ids[0, 0, :length].numpy().tolist()
    settings = Settings(eval_data=write_pairs(tmp_path / "pairs.jsonl"))
    monkeypatch.setattr(converter, "convert_float", None)
    with pytest.raises(InputError, match="a language model writes is not measured"):
        exporter.export(found, settings, tmp_path)
