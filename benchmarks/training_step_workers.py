"""One framework's training step, run on command by `benchmarks.training_step`.

A process of its own for each framework, so that its memory is its own. Each line on
stdin is a number of steps to run; the answer is a JSON line with the seconds that each
took and the process' peak memory.
"""

import functools
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bert_tf.config import BertConfig, OptimizerConfig, model_config

Batch = dict[str, np.ndarray]
RunSteps = Callable[[int], list[float]]

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0


def make_batch(
    config: BertConfig, *, batch_size: int, seq_length: int, predictions: int
) -> Batch:
    """Returns a batch of full sequences and full predictions, the same for all."""
    rng = np.random.default_rng(0)
    shape = batch_size, seq_length
    positions = [
        np.sort(rng.choice(seq_length - 1, predictions, replace=False) + 1)
        for _ in range(batch_size)
    ]
    return {
        "input_ids": rng.integers(0, config.vocab_size, shape),
        "input_mask": np.ones(shape, np.int64),
        "segment_ids": np.tile(
            np.arange(seq_length) >= seq_length // 2, (batch_size, 1)
        ).astype(np.int64),
        "masked_lm_positions": np.stack(positions),
        "masked_lm_ids": rng.integers(0, config.vocab_size, (batch_size, predictions)),
        "masked_lm_weights": np.ones((batch_size, predictions), np.float32),
        "next_sentence_labels": rng.integers(0, 2, (batch_size, 1)),
    }


def ours(
    config: BertConfig,
    batch: Batch,
    precision: str,
    jit_compile: bool = False,
    rematerialize: bool = False,
) -> RunSteps:
    """Our training step, as the training loop runs it."""
    import keras
    import tensorflow as tf

    from bert_tf.models import BertPretrainer, named_variables
    from bert_tf.optimizers import create_optimizer
    from bert_tf.training.pretraining_task import PretrainingTask
    from bert_tf.training.step import build_train_function

    keras.config.set_dtype_policy(_keras_policy(precision))
    model = BertPretrainer(config, rematerialize=rematerialize)
    train = build_train_function(
        tf.distribute.get_strategy(),
        PretrainingTask(),
        model,
        create_optimizer(OptimizerConfig(), named_variables(model)),
        seed=0,
        max_grad_norm=MAX_GRAD_NORM,
        static_micro_batches=1,
        jit_compile=jit_compile,
        loss_scaling=False,
    )
    batches = {
        name: tf.constant(value[np.newaxis], _tensorflow_type(value))
        for name, value in batch.items()
    }

    def run(steps: int) -> list[float]:
        seconds = []
        for step in range(steps):
            start = time.perf_counter()
            rows, _, _ = train(
                batches,
                tf.zeros([2]),
                tf.ones([1], tf.int32),
                tf.constant([LEARNING_RATE]),
                tf.constant(step, tf.int64),
                tf.constant(1),
                tf.constant([1.0, 0.0]),
            )
            rows.numpy()
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def keras_hub(
    config: BertConfig, batch: Batch, precision: str, jit_compile: bool = False
) -> RunSteps:
    """Keras' `fit` over KerasHub's backbone and masked-LM head."""
    import keras
    import keras_hub
    import tensorflow as tf

    from bert_tf.conversion.keras_hub import make_backbone

    keras.config.set_dtype_policy(_keras_policy(precision))
    backbone = make_backbone(config)
    positions = keras.Input((None,), dtype="int32", name="masked_lm_positions")
    encoded = backbone.output
    logits = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.token_embedding,
        intermediate_activation=lambda x: keras.activations.gelu(x, approximate=True),
        dtype="float32" if precision == "float32" else None,
    )(encoded["sequence_output"], positions)
    pairs = keras.layers.Dense(2, dtype="float32")(encoded["pooled_output"])
    model = keras.Model(
        {**backbone.input, "masked_lm_positions": positions},
        [keras.layers.Activation("linear", dtype="float32")(logits), pairs],
    )
    loss = keras.losses.SparseCategoricalCrossentropy
    model.compile(
        optimizer=keras.optimizers.AdamW(
            LEARNING_RATE, weight_decay=WEIGHT_DECAY, global_clipnorm=MAX_GRAD_NORM
        ),
        loss=[loss(from_logits=True), loss(from_logits=True)],
        jit_compile=jit_compile,
    )
    inputs = {
        "token_ids": batch["input_ids"],
        "padding_mask": batch["input_mask"],
        "segment_ids": batch["segment_ids"],
        "masked_lm_positions": batch["masked_lm_positions"],
    }
    labels = batch["masked_lm_ids"], batch["next_sentence_labels"]
    tensors = tf.nest.map_structure(
        lambda x: tf.constant(x, tf.int32), (inputs, labels)
    )
    data = tf.data.Dataset.from_tensors(tensors).repeat()

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.times = [time.perf_counter()]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.times.append(time.perf_counter())

    def run(steps: int) -> list[float]:
        clock = Clock()
        model.fit(
            data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[clock]
        )
        return np.diff(clock.times).tolist()

    return run


def hugging_face(
    config: BertConfig, batch: Batch, precision: str, compiled: bool = False
) -> RunSteps:
    """Hugging Face's model in PyTorch with its fused AdamW."""
    import torch
    import transformers

    model = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            hidden_act="gelu_new",
            max_position_embeddings=config.max_position_embeddings,
            hidden_dropout_prob=config.hidden_dropout_prob,
            attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        )
    ).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    ids = {name: torch.from_numpy(value) for name, value in batch.items()}
    rows = torch.arange(len(batch["input_ids"]))[:, None]
    cross_entropy = torch.nn.functional.cross_entropy

    def loss_function() -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            hidden, pooled = model.bert(
                input_ids=ids["input_ids"],
                attention_mask=ids["input_mask"],
                token_type_ids=ids["segment_ids"],
                return_dict=False,
            )
            # The head at masked positions only, where the model's own forward method
            # would score all of them.
            gathered = hidden[rows, ids["masked_lm_positions"]]
            logits, pairs = model.cls(gathered, pooled)
        masked_lm = cross_entropy(
            logits.float().flatten(0, 1), ids["masked_lm_ids"].flatten()
        )
        return masked_lm + cross_entropy(
            pairs.float(), ids["next_sentence_labels"][:, 0]
        )

    if compiled:
        loss_function = torch.compile(loss_function)

    def run(steps: int) -> list[float]:
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            optimizer.step()
            loss.item()
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def matrix_products(config: BertConfig, batch: Batch, precision: str) -> RunSteps:
    """The encoder's largest product alone, which bounds every framework's speed."""
    import tensorflow as tf

    dtype = tf.as_dtype(precision)
    tokens = batch["input_ids"].size
    x = tf.cast(tf.random.normal([tokens, config.hidden_size]), dtype)
    kernel = tf.cast(
        tf.random.normal([config.hidden_size, config.intermediate_size]), dtype
    )
    product = tf.function(lambda: tf.reduce_max(tf.matmul(x, kernel)[0]))

    def run(steps: int) -> list[float]:
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            product().numpy()
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


FRAMEWORKS: dict[str, Callable[[BertConfig, Batch, str], RunSteps]] = {
    "bert_tf": ours,
    "bert_tf_xla": functools.partial(ours, jit_compile=True),
    "bert_tf_rematerialized": functools.partial(ours, rematerialize=True),
    "keras_hub": keras_hub,
    "keras_hub_xla": functools.partial(keras_hub, jit_compile=True),
    "hugging_face": hugging_face,
    "hugging_face_compiled": functools.partial(hugging_face, compiled=True),
    "matrix_products": matrix_products,
}


def _keras_policy(precision: str) -> str:
    return precision if precision == "float32" else f"mixed_{precision}"


def _tensorflow_type(value: np.ndarray) -> str:
    return "float32" if value.dtype == np.float32 else "int32"


def main() -> None:
    """Serves the parent: builds the step, then runs it as told."""
    settings = json.loads(sys.argv[1])
    config = model_config(settings["size"])
    batch = make_batch(
        config,
        batch_size=settings["batch_size"],
        seq_length=settings["seq_length"],
        predictions=settings["predictions"],
    )
    run = FRAMEWORKS[settings["framework"]](config, batch, settings["precision"])
    for line in sys.stdin:
        start = time.process_time()
        seconds = run(int(line))
        cpu_seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            "result "
            + json.dumps(
                {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
