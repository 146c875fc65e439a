"""The three that write in `benchmarks.generation`, of one shape and random weights.

Each takes ids, `[texts, tokens]`, the settings of the search by Hugging Face's names,
and how many tokens to write: no token ends a text.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Settings = dict[str, Any]
Write = Callable[[np.ndarray, Settings, int], Any]

SHAPES = {"mini": (256, 4), "small": (512, 4), "base": (768, 12)}
"""The sizes: width and layers, of encoder and decoder."""

VOCAB_SIZE = 30522
_START, _END = 101, 102

GREEDY: Settings = {"num_beams": 1}


def _shape(size: str) -> dict[str, Any]:
    hidden, layers = SHAPES[size]
    return {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 512,
    }


def create_model(size: str) -> Any:
    """Returns our encoder-decoder."""
    from bert_tf.config import BertConfig
    from bert_tf.models import EncoderDecoder

    config = BertConfig(**_shape(size))
    return EncoderDecoder(config, config)


def bytes_per_token(model: Any) -> int:
    """Returns the size of the weights that the decoder reads for a token.

    Of the table of words all, as the scores of the next one are products with it; not
    the keys and values of cross-attention, which are made of the text once.
    """
    total = 0
    for weight in model.decoder.trainable_weights:
        of_text = "/crossattention/self/key/", "/crossattention/self/value/"
        if any(part in weight.path for part in (*of_text, "/position_embeddings")):
            continue
        total += 4 * int(np.prod(weight.shape))
    return total


def ours(model: Any) -> Write:
    """Returns our searches, each compiled as a `Generator`'s is."""
    import tensorflow as tf

    from bert_tf.generation.compiled_search import compiled_search
    from bert_tf.generation.config import GenerationConfig
    from bert_tf.generation.search import generate

    functions: dict[GenerationConfig, Any] = {}

    def run(ids: np.ndarray, settings: Settings, target: int) -> Any:
        search = GenerationConfig(
            max_new_tokens=target, min_new_tokens=target - 1, **settings
        ).validate()
        if search not in functions:

            def function(decoder: Any, ids: tf.Tensor) -> Any:
                num_texts = tf.shape(ids)[0]
                inputs = {
                    "input_ids": ids,
                    "input_mask": tf.ones_like(ids),
                    "segment_ids": tf.zeros_like(ids),
                }
                start = tf.fill([num_texts, 1], _START)
                lengths = tf.ones([num_texts], tf.int32)
                return generate(decoder, inputs, start, lengths, search, _END, 0)

            functions[search] = compiled_search(model, search, function)
        return functions[search](tf.constant(ids, tf.int32)).token_ids.numpy()

    return run


def hugging_face(size: str) -> Write:
    """Returns the `generate` of an `EncoderDecoderModel`."""
    import torch
    import transformers

    encoder = transformers.BertConfig(**_shape(size))
    decoder = transformers.BertConfig(
        **_shape(size), is_decoder=True, add_cross_attention=True
    )
    model = transformers.EncoderDecoderModel(
        encoder=transformers.BertModel(encoder),
        decoder=transformers.BertLMHeadModel(decoder),
    ).eval()

    def run(ids: np.ndarray, settings: Settings, target: int) -> Any:
        input_ids = torch.from_numpy(ids).long()
        with torch.inference_mode():
            return model.generate(
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                decoder_start_token_id=_START,
                eos_token_id=_END,
                pad_token_id=0,
                bos_token_id=None,
                do_sample=False,
                max_new_tokens=target,
                min_new_tokens=target - 1,
                **settings,
            )

    return run


def int8_file(model: Any, source: int, target: int, folder: Path) -> Write:
    """Returns the loop over our TFLite file with int8 weights: greedy, a text a time.

    Args:
        model: ours.
        source: tokens that are read.
        target: tokens that are written.
        folder: takes the file.
    """
    from bert_tf.checkpoints.task_description import TaskDescription
    from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
    from bert_tf.tasks.settings import SequenceToSequenceSettings
    from export.check.litert_writing import LiteRtWriter
    from export.checkpoint.pretrained import TrainedModel
    from export.tflite import converter, quantizer

    settings = SequenceToSequenceSettings(max_target_length=target + 1)
    task = SequenceToSequenceTask(
        TaskDescription(
            settings.name,
            source,
            settings={**dataclasses.asdict(settings), "pairs": False},
        )
    )
    no_folder: Any = None  # The weights stand in the model.
    content = converter.convert_float(TrainedModel(no_folder, task, model, source))
    path = folder / "dynamic_int8.tflite"
    path.write_bytes(quantizer.quantize(content, "dynamic_int8"))
    writer = LiteRtWriter(path)

    def run(ids: np.ndarray, settings: Settings, target: int) -> Any:
        assert ids.shape[0] == 1 and settings == GREEDY
        text = {
            "input_ids": ids.astype(np.int32),
            "input_mask": np.ones_like(ids, np.int32),
            "segment_ids": np.zeros_like(ids, np.int32),
        }
        written = writer.write([_START], -1, text)
        assert len(written) == target, "it writes as many as it has room for"
        return written

    return run
