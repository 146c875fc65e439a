"""Hugging Face's models with random weights, and ours with the same."""

import numpy as np
import torch
import transformers

from benchmarks.pytorch_pretraining import hugging_face_name
from bert_tf.config import BertConfig
from bert_tf.models import CausalLM, EncoderDecoder, named_variables

SHAPE = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
START, END, PAD = 2, 3, 0
_SETTINGS = {**SHAPE, "initializer_range": 0.4, "attn_implementation": "eager"}
_CONFIG = BertConfig(**SHAPE, hidden_act="gelu_erf")


def random_texts(count, longest, seed=1):
    """Returns ids and a mask, int32 `[count, longest]`, of texts of any length."""
    rng = np.random.default_rng(seed)
    mask = np.arange(longest) < rng.integers(3, longest + 1, (count, 1))
    ids = rng.integers(5, SHAPE["vocab_size"], (count, longest)) * mask
    return ids.astype(np.int32), mask.astype(np.int32)


def encoder_decoder(texts):
    """Returns a model whose sequences are of many tokens and lengths."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    model = transformers.EncoderDecoderModel(
        encoder=transformers.BertModel(transformers.BertConfig(**_SETTINGS)),
        decoder=transformers.BertLMHeadModel(
            transformers.BertConfig(
                **_SETTINGS, is_decoder=True, add_cross_attention=True
            )
        ),
    ).eval()
    ids, mask = (torch.from_numpy(x).long() for x in texts)
    return _made_lively(
        model,
        model.decoder.cls.predictions,
        {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": ids},
    )


def language_model(texts):
    """Returns a model whose sequences are of many tokens and lengths."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    config = transformers.BertConfig(**_SETTINGS, is_decoder=True)
    model = transformers.BertLMHeadModel(config).eval()
    ids = torch.from_numpy(texts[0]).long()
    return _made_lively(model, model.cls.predictions, {"input_ids": ids})


def _made_lively(model, head, inputs):
    """Makes weights as random as it takes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter += 0.1 * torch.randn_like(parameter)
            if "position" in name:
                parameter *= 4
            if "crossattention.output.dense.weight" in name:
                parameter *= 6
            if "LayerNorm.weight" in name:
                parameter *= torch.sign(torch.randn_like(parameter))
        hidden = []
        hook = head.transform.register_forward_hook(
            lambda module, inputs, output: hidden.append(output)
        )
        model(**inputs)
        hook.remove()
        head.transform.LayerNorm.bias -= hidden[0].mean((0, 1))
        head.bias[END] += 4.0
    return model


def ours(theirs):
    """Returns our model with the weights of one of theirs."""
    if isinstance(theirs, transformers.EncoderDecoderModel):
        model = EncoderDecoder(_CONFIG, _CONFIG)
        roots = {"bert/": ("encoder.", "bert."), "decoder/": ("decoder.", "")}
    else:
        model = CausalLM(_CONFIG)
        roots = {"": ("", "")}
    state = theirs.state_dict()
    for name, variable in named_variables(model).items():
        prefix = next(prefix for prefix in roots if name.startswith(prefix))
        root, left_out = roots[prefix]
        short = name if left_out else name.removeprefix(prefix)
        value = state[root + hugging_face_name(short).removeprefix(left_out)].numpy()
        variable.assign(value.T if name.endswith("kernel") else value)
    return model
