r"""Tokens a second of greedy and beam search, beside Hugging Face's `generate`.

    python -m benchmarks.generation --size=mini --source=128 --target=64

Encoder-decoders of BERT blocks with random weights, float32, no token ends a text. The
two take turns; the best of `--rounds` counts, after one that compiles.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags

from bert_tf.cli import jobs

_SIZE = flags.DEFINE_enum("size", "mini", ["mini", "small", "base"], "BERT's size.")
_SOURCE = flags.DEFINE_integer("source", 128, "Tokens that are read.")
_TARGET = flags.DEFINE_integer("target", 64, "Tokens that are written.")
_BATCHES = flags.DEFINE_list("batch_sizes", ["1", "16"], "Texts at once.")
_BEAMS = flags.DEFINE_list("num_beams", ["1", "4"], "1 for greedy search.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timed runs of each.")

_SHAPES = {"mini": (256, 4), "small": (512, 4), "base": (768, 12)}
_VOCAB_SIZE = 30522
_START, _END = 101, 102


def _shape(size: str) -> dict[str, Any]:
    hidden, layers = _SHAPES[size]
    return {
        "vocab_size": _VOCAB_SIZE,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 512,
    }


def _ours(size: str, target: int) -> Callable[[np.ndarray, int], Any]:
    import tensorflow as tf

    from bert_tf.config import BertConfig
    from bert_tf.generation.config import GenerationConfig
    from bert_tf.generation.search import generate
    from bert_tf.models import EncoderDecoder

    config = BertConfig(**_shape(size))
    model = EncoderDecoder(config, config)
    compiled: dict[int, Any] = {}

    def run(ids: np.ndarray, num_beams: int) -> Any:
        if num_beams not in compiled:
            settings = GenerationConfig(
                max_new_tokens=target, min_new_tokens=target - 1, num_beams=num_beams
            ).validate()

            def function(ids: tf.Tensor) -> Any:
                num_texts = tf.shape(ids)[0]
                inputs = {
                    "input_ids": ids,
                    "input_mask": tf.ones_like(ids),
                    "segment_ids": tf.zeros_like(ids),
                }
                start = tf.fill([num_texts, 1], _START)
                lengths = tf.ones([num_texts], tf.int32)
                return generate(model, inputs, start, lengths, settings, _END, 0)

            spec = [tf.TensorSpec([None, None], tf.int32)]
            compiled[num_beams] = tf.function(
                function, input_signature=spec, autograph=False
            )
        return compiled[num_beams](tf.constant(ids, tf.int32)).token_ids.numpy()

    return run


def _theirs(size: str, target: int) -> Callable[[np.ndarray, int], Any]:
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

    def run(ids: np.ndarray, num_beams: int) -> Any:
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
                num_beams=num_beams,
                max_new_tokens=target,
                min_new_tokens=target - 1,
            )

    return run


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table."""
    size, target = str(_SIZE.value), int(_TARGET.value)
    peers = {"ours": _ours(size, target), "Hugging Face": _theirs(size, target)}
    rng = np.random.default_rng(0)
    print(f"{size}, {_SOURCE.value} in, {target} out, tokens/s")
    for batch in map(int, _BATCHES.value):
        ids = rng.integers(1000, _VOCAB_SIZE, (batch, _SOURCE.value))
        for num_beams in map(int, _BEAMS.value):
            best = dict.fromkeys(peers, float("inf"))
            for number in range(_ROUNDS.value + 1):
                for name, run in peers.items():
                    start = time.perf_counter()
                    run(ids, num_beams)
                    if number:
                        elapsed = time.perf_counter() - start
                        best[name] = min(best[name], elapsed)
            speeds = {name: batch * target / value for name, value in best.items()}
            ratio = speeds["ours"] / speeds["Hugging Face"]
            columns = ", ".join(f"{name} {x:.1f}" for name, x in speeds.items())
            print(
                f"batch {batch}, beams {num_beams}: {columns}; ratio {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    jobs.run(main)
