"""Models that write, in and out of Hugging Face's folders, against its own code."""

import numpy as np
import pytest
import torch
import transformers

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import resizing
from bert_tf.errors import InputError
from bert_tf.models import assign_variables
from bert_tf.tasks.catalog import create_task

VOCAB, OTHER_VOCAB = 17, 9
SHAPE = {
    "vocab_size": VOCAB,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
}
IDS = np.random.default_rng(0).integers(0, OTHER_VOCAB, (2, 7))
MASK = np.array([[1] * 7, [1] * 5 + [0] * 2])


def perturbed(model):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def bert_config(**others):
    return transformers.BertConfig(**{**SHAPE, **others})


def encoder_decoder(**decoder):
    return perturbed(
        transformers.EncoderDecoderModel(
            encoder=transformers.BertModel(bert_config()),
            decoder=transformers.BertLMHeadModel(
                bert_config(is_decoder=True, add_cross_attention=True, **decoder)
            ),
        )
    )


def ours(folder):
    weights = conversion.load_any(folder)
    model = create_task(weights.task).create_model(weights.config)
    assign_variables(model, weights.variables)
    return weights, model


def their_logits(model):
    ids, mask = torch.from_numpy(IDS), torch.from_numpy(MASK)
    with torch.no_grad():
        if isinstance(model, transformers.EncoderDecoderModel):
            outputs = model(input_ids=ids, attention_mask=mask, decoder_input_ids=ids)
        else:
            outputs = model(input_ids=ids)
    return outputs.logits.numpy()


def our_logits(model):
    inputs = {
        "input_ids": IDS,
        "input_mask": MASK,
        "segment_ids": 0 * IDS,
        "decoder_input_ids": IDS,
    }
    return np.asarray(model(inputs)["logits"])


def close(received, expected):
    error = np.linalg.norm(received - expected) / np.linalg.norm(expected)
    assert error < 1e-5


@pytest.mark.parametrize(
    "decoder",
    [
        {},
        {"vocab_size": OTHER_VOCAB, "hidden_size": 6, "num_hidden_layers": 1},
    ],
    ids=["alike", "of_another_shape"],
)
def test_encoder_decoder_both_ways(tmp_path, make_vocabulary, decoder):
    theirs = encoder_decoder(**decoder)
    theirs.save_pretrained(tmp_path / "theirs")
    weights, model = ours(tmp_path / "theirs")
    expected = their_logits(theirs)
    assert weights.task.name == "sequence_to_sequence" and weights.left_over == {}
    close(our_logits(model), expected)

    weights.vocabulary = make_vocabulary(*"abcdefghijkl")
    conversion.save(weights, tmp_path / "ours", "hugging_face")
    again, info = transformers.EncoderDecoderModel.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    np.testing.assert_allclose(their_logits(again.eval()), expected, atol=1e-6)
    assert again.config.decoder_start_token_id == 2
    assert again.generation_config.eos_token_id == 3
    conversion.save(weights, tmp_path / "native", "native")
    close(our_logits(ours(tmp_path / "native")[1]), expected)
    with pytest.raises(InputError, match="cannot be resized"):
        resizing.with_layers(weights, 1)


@pytest.mark.parametrize("shared", ["all", "word_embeddings"])
def test_what_is_shared_is_found_again(tmp_path, make_vocabulary, shared):
    encoder_decoder().save_pretrained(tmp_path / "theirs")
    weights = conversion.load_any(tmp_path / "theirs")
    weights.vocabulary = make_vocabulary(*"abcdefghijkl")
    weights.task = weights.task.with_settings(shared=shared)
    model = create_task(weights.task).create_model(weights.config)
    assign_variables(model, weights.variables)
    kept = {n: v for n, v in weights.variables.items() if "pooler" not in n}
    if shared == "all":
        kept = {
            n: v
            for n, v in kept.items()
            if not n.startswith("decoder/bert/") or "crossattention" in n
        }
    else:
        del kept["decoder/bert/embeddings/word_embeddings"]
    weights.variables = kept
    conversion.save(weights, tmp_path / "ours", "hugging_face")
    theirs = transformers.EncoderDecoderModel.from_pretrained(tmp_path / "ours").eval()
    close(our_logits(model), their_logits(theirs))
    again, same = ours(tmp_path / "ours")
    assert again.task.settings["shared"] == shared
    assert again.variables.keys() == kept.keys()
    close(our_logits(same), our_logits(model))
    # Another program trains the two apart.
    with torch.no_grad():
        theirs.encoder.embeddings.word_embeddings.weight += 0.1
    theirs.save_pretrained(tmp_path / "ours")
    again, apart = ours(tmp_path / "ours")
    assert again.task.settings["shared"] == "nothing"
    close(our_logits(apart), their_logits(theirs))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_bert_lm_head_model_both_ways(tmp_path, make_vocabulary):
    theirs = perturbed(transformers.BertLMHeadModel(bert_config(is_decoder=True)))
    theirs.save_pretrained(tmp_path / "theirs")
    weights, model = ours(tmp_path / "theirs")
    assert weights.task.name == "causal_lm" and weights.left_over == {}
    close(our_logits(model), their_logits(theirs))
    weights.vocabulary = make_vocabulary(*"abcdefghijkl")
    conversion.save(weights, tmp_path / "ours", "hugging_face")
    again, info = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert type(again) is transformers.BertLMHeadModel and again.config.is_decoder
    assert not info["missing_keys"] and not info["unexpected_keys"]
    np.testing.assert_allclose(their_logits(again.eval()), their_logits(theirs), 1e-5)
    for format in ("native", "tf1", "keras_hub"):
        conversion.save(weights, tmp_path / format, format)
        found, same = ours(tmp_path / format)
        assert found.task.name == "causal_lm"
        close(our_logits(same), our_logits(model))


def test_folders_that_are_damaged(tmp_path):
    from safetensors.numpy import load_file, save_file

    encoder_decoder().save_pretrained(tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    lost = "decoder.bert.encoder.layer.0.crossattention.self.key.weight"
    save_file(
        {n: a for n, a in arrays.items() if n != lost}, tmp_path / "model.safetensors"
    )
    with pytest.raises(InputError, match="lacks `decoder/bert/.*crossattention"):
        conversion.load_any(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"is_decoder": true', '"is_decoder": false'))
    with pytest.raises(InputError, match="decoder: `is_decoder` must be True"):
        conversion.load_any(tmp_path)
    config.write_text('{"model_type": "encoder-decoder", "encoder": 3}')
    with pytest.raises(InputError, match="encoder: must be an object"):
        conversion.load_any(tmp_path)
