"""The peers of `benchmarks.training_step`: KerasHub, and Hugging Face in PyTorch."""

import time
from typing import Any

import numpy as np

from benchmarks.training_step_work import (
    LEARNING_RATE,
    MAX_GRAD_NORM,
    WEIGHT_DECAY,
    Batch,
    RunSteps,
    keras_policy,
    timed,
)
from bert_tf.config import BertConfig


def keras_hub(
    config: BertConfig, batch: Batch, precision: str, jit_compile: bool = False
) -> RunSteps:
    """Keras' `fit` over KerasHub's backbone and masked-LM head."""
    import keras
    import keras_hub
    import tensorflow as tf

    from bert_tf.checkpoints.conversion.keras_hub import make_backbone

    keras.config.set_dtype_policy(keras_policy(precision))
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

    def step(number: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        loss.item()

    return timed(step)
