"""Folders that transformers wrote, and folders of ours that it opens."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from bert_tf.checkpoints import conversion
from bert_tf.errors import InputError
from bert_tf.models.variables import assign_variables
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig

SHAPE = {
    "vocab_size": 17,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
}
INPUT_IDS = np.array([[2, 5, 6, 4, 3, 7, 3], [2, 8, 3, 0, 0, 0, 0]], np.int32)
INPUTS = {
    "input_ids": INPUT_IDS,
    "input_mask": np.int32(INPUT_IDS != 0),
    "segment_ids": np.array([[0, 0, 0, 0, 0, 1, 1], [0] * 7], np.int32),
}


def write_theirs(folder, architecture="BertForPreTraining", **settings):
    torch.manual_seed(0)
    config = transformers.BertConfig(**SHAPE | {"initializer_range": 0.5} | settings)
    model = getattr(transformers, architecture)(config).eval()
    with torch.no_grad():  # otherwise every bias is 0 and every scale 1
        for name, parameter in model.named_parameters():
            if "bias" in name or "LayerNorm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def run_theirs(model):
    names = {"input_mask": "attention_mask", "segment_ids": "token_type_ids"}
    inputs = {names.get(k, k): torch.tensor(v).long() for k, v in INPUTS.items()}
    with torch.no_grad():
        return model(**inputs)


def run_ours(weights):
    from bert_tf.models import BertPretrainer

    model = BertPretrainer(weights.config)
    assign_variables(model, weights.variables)
    positions = np.tile(np.arange(7, dtype=np.int32), (2, 1))
    return model(INPUTS | {"masked_lm_positions": positions})


def edit_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rename(folder, translate):
    path = folder / "model.safetensors"
    save_file({translate(name): a for name, a in load_file(path).items()}, path)


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "gelu_pytorch_tanh"])
def test_our_model_computes_what_theirs_does(tmp_path, hidden_act):
    theirs = write_theirs(tmp_path, hidden_act=hidden_act, layer_norm_eps=1e-5)

    weights = conversion.load_any(tmp_path)

    assert weights.format == "hugging_face"
    assert weights.left_over == {} and weights.missing == {}
    expected, received = run_theirs(theirs), run_ours(weights)
    real = INPUTS["input_mask"] == 1
    np.testing.assert_allclose(
        received["masked_lm_logits"].numpy()[real],
        expected.prediction_logits.numpy()[real],
        rtol=1e-5,
        atol=2e-5,
    )
    np.testing.assert_allclose(
        received["next_sentence_logits"],
        expected.seq_relationship_logits,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("hidden_act", ["gelu_erf", "gelu"])
def test_their_model_computes_what_ours_does(tmp_path, make_weights, hidden_act):
    weights = make_weights()
    weights.config.hidden_act = hidden_act
    conversion.save(weights, tmp_path / "model", "hugging_face")

    model, info = transformers.AutoModelForPreTraining.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )

    assert isinstance(model, transformers.BertForPreTraining)
    assert not any(info.values())
    expected, received = run_theirs(model.eval()), run_ours(weights)
    real = INPUTS["input_mask"] == 1
    np.testing.assert_allclose(
        received["masked_lm_logits"].numpy()[real],
        expected.prediction_logits.numpy()[real],
        rtol=1e-5,
        atol=1e-4,
    )


def test_their_tokenizer_opens_ours(tmp_path, make_weights, make_vocabulary):
    # Hugging Face splits vocab.txt at line ends that are entries here.
    words = make_weights().vocabulary.entries[len(SPECIAL_TOKENS) :]
    vocabulary = make_vocabulary(*("[unused0]" if w == "\u2028" else w for w in words))
    weights = make_weights(vocabulary=vocabulary)
    conversion.save(weights, tmp_path / "model", "hugging_face")

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")

    assert tokenizer.get_vocab() == {
        entry: index for index, entry in enumerate(vocabulary.entries)
    }
    pieces = tokenizer.tokenize("The Heartache of [MASK] 心")
    assert pieces == ["the", "heart", "##ache", "of", "[MASK]", "心"]
    assert tokenizer.model_max_length == 10


@pytest.mark.parametrize(
    ("architecture", "task", "head"),
    [
        ("BertModel", "pretraining", "bert/pooler/dense/kernel"),
        ("BertForMaskedLM", "pretraining", "cls/predictions/output_bias"),
        (
            "BertForNextSentencePrediction",
            "pretraining",
            "cls/seq_relationship/output_bias",
        ),
        ("BertForSequenceClassification", "classification", "output_weights"),
        ("BertForTokenClassification", "token_classification", "output_bias"),
        ("BertForMultipleChoice", "multiple_choice", "output_bias"),
        ("BertForQuestionAnswering", "question_answering", "cls/squad/output_weights"),
    ],
)
def test_every_architecture_goes_there_and_back(tmp_path, architecture, task, head):
    labels = {} if architecture != "BertForTokenClassification" else {"num_labels": 5}
    theirs = write_theirs(tmp_path / "theirs", architecture, **labels)

    weights = conversion.load_any(tmp_path / "theirs")
    conversion.save(weights, tmp_path / "ours", "hugging_face", strict=True)
    model, info = getattr(transformers, architecture).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )

    assert weights.task.name == task and head in weights.variables
    assert json.loads((tmp_path / "ours/config.json").read_text())["architectures"] == [
        architecture
    ]
    assert not any(info.values())
    assert model.config.num_labels == theirs.config.num_labels
    expected = theirs.state_dict()
    assert set(model.state_dict()) == set(expected)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_older_names_mean_the_same(tmp_path, assert_same):
    write_theirs(tmp_path / "new")
    for old in ("gamma_beta", "no_prefix"):
        shutil.copytree(tmp_path / "new", tmp_path / old)
    rename(
        tmp_path / "gamma_beta",
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ),
    )
    rename(tmp_path / "no_prefix", lambda name: name.removeprefix("bert."))

    expected = conversion.load_any(tmp_path / "new")

    for old in ("gamma_beta", "no_prefix"):
        assert_same(conversion.load_any(tmp_path / old), expected)


def test_shards_are_put_together(tmp_path, assert_same):
    theirs = write_theirs(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="3KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 2

    expected = conversion.load_any(tmp_path / "whole")

    assert_same(conversion.load_any(tmp_path / "shards"), expected)

    shard = sorted((tmp_path / "shards").glob("model-*.safetensors"))[1]
    shard.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"shard '{shard.name}' is not beside it"):
        conversion.load_any(tmp_path / "shards")
    save_file({"a": np.zeros(1)}, shard)
    with pytest.raises(
        ValueError, match=f"{shard.name}: lacks 'bert.*, which .* lists"
    ):
        conversion.load_any(tmp_path / "shards")
    index = tmp_path / "shards/model.safetensors.index.json"
    edit_json(index, weight_map={"a": "../elsewhere"})
    with pytest.raises(ValueError, match="shard '../elsewhere' is not beside it"):
        conversion.load_any(tmp_path / "shards")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_widens_exactly(tmp_path, dtype):
    theirs = write_theirs(tmp_path).to(dtype)
    theirs.save_pretrained(tmp_path)

    weights = conversion.load_any(tmp_path)

    np.testing.assert_array_equal(
        weights.variables["bert/encoder/layer_2/intermediate/dense/kernel"],
        theirs.bert.encoder.layer[2].intermediate.dense.weight.detach().float().T,
    )


def test_buffers_and_tied_copies_are_no_gap(tmp_path, assert_same):
    write_theirs(tmp_path)
    expected = conversion.load_any(tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    words = arrays["bert.embeddings.word_embeddings.weight"]
    arrays["bert.embeddings.position_ids"] = np.arange(10).reshape(1, 10)
    arrays["cls.predictions.decoder.weight"] = words.copy()
    save_file(arrays, path)

    assert_same(conversion.load_any(tmp_path), expected)

    arrays["cls.predictions.decoder.weight"][3, 3] += 1
    save_file(arrays, path)
    with pytest.raises(ValueError, match="decoder.weight` must equal `bert/embedd"):
        conversion.load_any(tmp_path)


def test_vocabulary_comes_from_tokenizer_json_where_that_is_all(tmp_path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    write_theirs(tmp_path)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Heart", "##s", "心"]
    ids = {entry: index for index, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    weights = conversion.load_any(tmp_path)

    assert weights.vocabulary.entries == tuple(entries)
    assert weights.vocabulary.config == TokenizerConfig(do_lower_case=False)

    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["##s"] = 60
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError, match="ids are not 0 to 7 without a gap"):
        conversion.load_any(tmp_path)
    edit_json(tmp_path / "tokenizer.json", model={"type": "BPE"})
    with pytest.raises(ValueError, match="`model` must be a WordPiece.*Received: BPE"):
        conversion.load_any(tmp_path)


@pytest.mark.parametrize("model_type", ["Roberta", "DistilBert", "Electra"])
def test_other_architectures_are_refused(tmp_path, model_type):
    config = getattr(transformers, f"{model_type}Config")(vocab_size=17)
    config.save_pretrained(tmp_path)

    with pytest.raises(ValueError, match=f"Received: '{model_type.lower()}', another"):
        conversion.load_any(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden_act", "relu", "`hidden_act` must be one of .*Received: 'relu'"),
        ("position_embedding_type", "relative_key", "must be 'absolute'"),
        (
            "add_cross_attention",
            True,
            "`add_cross_attention` must be False. Received: True",
        ),
        ("num_attention_heads", 3, "config.json: .*hidden_size` must be a multiple"),
        ("hidden_size", "8", "config.json: "),
        ("intermediate_size", 16, r"must have shape \(8, 16\).*Received: \(8, 12\)"),
        ("num_hidden_layers", 4, "lacks 16 of 78 variables, .*layer_3/attention/self"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, key, value, message):
    write_theirs(tmp_path)
    edit_json(tmp_path / "config.json", **{key: value})

    with pytest.raises(ValueError, match=message):
        conversion.load_any(tmp_path)


def test_more_layers_than_configured_are_left_over(tmp_path):
    write_theirs(tmp_path)
    edit_json(tmp_path / "config.json", num_hidden_layers=2)

    weights = conversion.load_any(tmp_path)

    assert len(weights.left_over) == 16
    assert all(name.startswith("bert.encoder.layer.2.") for name in weights.left_over)


def test_damaged_and_dangerous_files_are_refused(tmp_path):
    theirs = write_theirs(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()

    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="model.safetensors: not a whole safetensors"):
        conversion.load_any(tmp_path)

    path.unlink()
    with pytest.raises(ValueError, match="neither 'model.safetensors' nor"):
        conversion.load_any(tmp_path)

    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pytorch_model.bin: a pickle file, .* never"):
        conversion.load_any(tmp_path)

    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json: not a JSON file"):
        conversion.load_any(tmp_path)


def test_quantized_weights_are_refused(tmp_path):
    write_theirs(tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    name = "bert.pooler.dense.bias"
    save_file(arrays | {name: np.int8(arrays[name])}, path)

    with pytest.raises(ValueError, match="pooler/dense/bias` must be floating point"):
        conversion.load_any(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    write_theirs(tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    name = "bert.embeddings.word_embeddings.weight"
    arrays[name] = arrays[name].astype(np.float64)
    arrays[name][3, 2:4] = value
    save_file(arrays, path)

    with pytest.raises(
        InputError, match="2 of the 136 values of `bert/embeddings/word_embeddings` are"
    ):
        conversion.load_any(tmp_path)


@pytest.mark.parametrize(
    ("settings", "task"),
    [
        ({"num_labels": 3}, "classification"),
        ({"num_labels": 1}, "regression"),
        ({"num_labels": 2, "problem_type": "regression"}, "regression"),
        (
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            "multi_label",
        ),
    ],
)
def test_their_problem_type_is_our_task(tmp_path, make_vocabulary, settings, task):
    write_theirs(tmp_path / "theirs", "BertForSequenceClassification", **settings)

    weights = conversion.load_any(tmp_path / "theirs")

    assert weights.task.name == task
    conversion.save(weights, tmp_path / "ours", "hugging_face")
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert config["problem_type"] == {
        "classification": "single_label_classification",
        "multi_label": "multi_label_classification",
    }.get(task, task)


def test_labels_must_fit_the_head(tmp_path):
    write_theirs(tmp_path, "BertForSequenceClassification", num_labels=3)
    for labels in ({"0": "a", "1": "b"}, {"a": "b"}, {str(i): "" for i in range(4)}):
        edit_json(tmp_path / "config.json", id2label=labels)
        with pytest.raises(InputError, match="config.json: `id2label` must name .* 2."):
            conversion.load_any(tmp_path)


def test_a_vocabulary_of_another_model_is_refused(tmp_path):
    write_theirs(tmp_path)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 110))]
    (tmp_path / "vocab.txt").write_text("\n".join(entries) + "\n")

    with pytest.raises(ValueError, match="18 entries, its embeddings only 17 rows"):
        conversion.load_any(tmp_path)
