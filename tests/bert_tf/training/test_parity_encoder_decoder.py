"""Fine-tuning on pairs against PyTorch's: the same pairs, weights, recipe, losses."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import transformers
from test_parity_pytorch import BertAdam

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import ModelWeights
from bert_tf.config import OptimizerConfig
from bert_tf.labelled.encoded import IGNORED
from bert_tf.models import named_variables
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training import finetuning, schedules
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from bert_tf.training.finetuning_preparation import prepare

STEPS, BATCH = 60, 8
WORDS = "the of heart ache card".split()


def write_pairs(path):
    """Sentences of some of the words, and the same words the other way round."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(240):
        words = rng.choice(WORDS, rng.integers(1, 6)).tolist()
        text, target = " ".join(words), " ".join(reversed(words))
        lines.append(json.dumps({"text": text, "target": target}))
    path.write_text("\n".join(lines) + "\n")
    return path


def their_loss(model, batch, smoothing):
    tensors = {n: torch.from_numpy(v.astype(np.int64)) for n, v in batch.items()}
    logits = model(
        input_ids=tensors["input_ids"],
        attention_mask=tensors["input_mask"],
        token_type_ids=tensors["segment_ids"],
        decoder_input_ids=tensors["decoder_input_ids"],
    ).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1),
        tensors["decoder_labels"].flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
    )


@pytest.mark.slow
def test_the_losses_are_pytorchs(tmp_path, make_weights):
    base = make_weights().config
    weights = make_weights(
        config=dataclasses.replace(
            base, max_position_embeddings=64, num_hidden_layers=1
        )
    )
    weights.variables = {n: 0.1 * v for n, v in weights.variables.items()}
    for name in weights.variables:
        if name.endswith("gamma"):
            weights.variables[name] += 1
    conversion.save(weights, tmp_path / "model", "native")
    config = FinetuningConfig(
        task=SequenceToSequenceSettings(max_target_length=33, label_smoothing=0.1),
        init_from=str(tmp_path / "model"),
        data=LabelledDataConfig(
            train=str(write_pairs(tmp_path / "pairs.jsonl")),
            eval_share=0.0,
            max_seq_length=32,
            global_batch_size=BATCH,
            cache_dir="none",
            pack_examples=True,
        ),
        optimizer=OptimizerConfig(
            learning_rate=5e-3, warmup_steps=6, weight_decay_rate=0.01
        ),
        num_train_epochs=STEPS * BATCH / 240,
        log_interval=1,
        hidden_dropout_prob=0.0,
    ).validate()
    workdir = tmp_path / "workdir"
    with prepare(config, workdir):
        finetuning.train_and_evaluate(config, workdir)
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    ours = [line["loss"] for line in lines if line["split"] == "train"]

    found = finetuning.open_inputs(config)
    start = dataclasses.replace(
        weights.config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model = found.task.create_model(start, seed=config.seed)
    finetuning.initialize(model, found.weights, found.task)
    conversion.save(
        ModelWeights(
            format="native",
            config=start,
            variables={n: np.asarray(v) for n, v in named_variables(model).items()},
            vocabulary=found.vocabulary,
            task=found.task.description,
        ),
        tmp_path / "theirs",
        "hugging_face",
    )
    theirs = transformers.EncoderDecoderModel.from_pretrained(tmp_path / "theirs")
    for parameter in theirs.encoder.pooler.parameters():
        parameter.requires_grad = False
    adam = BertAdam(theirs, config.optimizer)
    adam.parameters = {n: p for n, p in adam.parameters.items() if p.requires_grad}
    reader = found.train.reader(replica_batch_size=BATCH)
    expected = []
    for step in range(STEPS):
        batch = {n: v[0, 0] for n, v in reader.read(step * BATCH, 1).items()}
        loss = their_loss(theirs.train(), batch, 0.1)
        loss.backward()
        adam.step(schedules.learning_rate(config.optimizer, step, STEPS))
        expected.append(loss.item())

    np.testing.assert_allclose(ours, expected, rtol=0.01)
    assert np.mean(expected[-5:]) < 0.9 * np.mean(expected[:5])
