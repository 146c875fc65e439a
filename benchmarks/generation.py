r"""Tokens a second of searches, beside Hugging Face's `generate`.

    python -m benchmarks.generation --size=mini --source=128 --target=64
    python -m benchmarks.generation --num_beams=1,4 --candidates=4

Encoder-decoders of BERT blocks with random weights, float32, no token ends a text. The
two take turns; the best of `--rounds` counts, after one that compiles. Contrastive
search, which Hugging Face's has no more, is measured of ours alone.
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
_CANDIDATES = flags.DEFINE_list(
    "candidates", [], "Tokens that a contrastive search compares."
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timed runs of each.")

_SHAPES = {"mini": (256, 4), "small": (512, 4), "base": (768, 12)}
_VOCAB_SIZE = 30522
_START, _END = 101, 102

Settings = dict[str, Any]


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


def _ours(size: str, target: int) -> Callable[[np.ndarray, Settings], Any]:
    import tensorflow as tf

    from bert_tf.config import BertConfig
    from bert_tf.generation.config import GenerationConfig
    from bert_tf.generation.search import generate
    from bert_tf.models import EncoderDecoder

    config = BertConfig(**_shape(size))
    model = EncoderDecoder(config, config)
    compiled: dict[GenerationConfig, Any] = {}

    def run(ids: np.ndarray, settings: Settings) -> Any:
        search = GenerationConfig(
            max_new_tokens=target, min_new_tokens=target - 1, **settings
        ).validate()
        if search not in compiled:

            def function(ids: tf.Tensor) -> Any:
                num_texts = tf.shape(ids)[0]
                inputs = {
                    "input_ids": ids,
                    "input_mask": tf.ones_like(ids),
                    "segment_ids": tf.zeros_like(ids),
                }
                start = tf.fill([num_texts, 1], _START)
                lengths = tf.ones([num_texts], tf.int32)
                return generate(model, inputs, start, lengths, search, _END, 0)

            spec = [tf.TensorSpec([None, None], tf.int32)]
            compiled[search] = tf.function(
                function, input_signature=spec, autograph=False
            )
        return compiled[search](tf.constant(ids, tf.int32)).token_ids.numpy()

    return run


def _theirs(size: str, target: int) -> Callable[[np.ndarray, Settings], Any]:
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

    def run(ids: np.ndarray, settings: Settings) -> Any:
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


def _searches() -> list[Settings]:
    beams = [{"num_beams": int(count)} for count in _BEAMS.value]
    return beams + [
        {"penalty_alpha": 0.6, "top_k": int(count)} for count in _CANDIDATES.value
    ]


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table."""
    size, target = str(_SIZE.value), int(_TARGET.value)
    peers = {"ours": _ours(size, target), "Hugging Face": _theirs(size, target)}
    rng = np.random.default_rng(0)
    print(f"{size}, {_SOURCE.value} in, {target} out, tokens/s")
    for batch in map(int, _BATCHES.value):
        ids = rng.integers(1000, _VOCAB_SIZE, (batch, _SOURCE.value))
        for settings in _searches():
            both = "num_beams" in settings
            runs = peers if both else {"ours": peers["ours"]}
            best = dict.fromkeys(runs, float("inf"))
            for number in range(_ROUNDS.value + 1):
                for name, run in runs.items():
                    start = time.perf_counter()
                    run(ids, settings)
                    if number:
                        elapsed = time.perf_counter() - start
                        best[name] = min(best[name], elapsed)
            speeds = {name: batch * target / value for name, value in best.items()}
            columns = [f"{name} {x:.1f}" for name, x in speeds.items()]
            if both:
                ratio = speeds["ours"] / speeds["Hugging Face"]
                columns.append(f"ratio {ratio:.2f}")
            search = ", ".join(f"{name} {x}" for name, x in settings.items())
            print(f"batch {batch}, {search}: {'; '.join(columns)}", flush=True)


if __name__ == "__main__":
    jobs.run(main)
