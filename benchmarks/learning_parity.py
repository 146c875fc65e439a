"""Trains the same model here and in PyTorch, and compares what each has learned.

The same records in the same order, initial values and recipe: AdamW with bias
correction, linear warm-up and decay, clipping by global norm, no dropout. Ours is the
job itself; PyTorch's is Hugging Face's `BertForPreTraining` with `torch.optim.AdamW`.
Compared are the held-out masked-LM loss at the end and the training losses on the way.

    python -m benchmarks.learning_parity --train_dir=data/train --eval_dir=data/eval

Takes a quarter of an hour for BERT-mini on two cores, records of 128 tokens.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks.job_process import run_job
from benchmarks.pretraining_job import job_arguments, read_metrics
from bert_tf.cli import jobs
from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.storage.json_files import read_json
from bert_tf.training import schedules
from bert_tf.training.config import PretrainingConfig

_TRAIN_DIR = flags.DEFINE_string("train_dir", None, "Records to train on.")
_EVAL_DIR = flags.DEFINE_string("eval_dir", None, "Held-out records.")
_SIZE = flags.DEFINE_string("size", "mini", "tiny, mini, small, medium, base or large.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Sequences a step.")
_STEPS = flags.DEFINE_integer("steps", 1000, "Steps of each run.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 5e-4, "The schedule's peak.")


def make_config() -> PretrainingConfig:
    """Returns the run that both do."""
    info = DatasetInfo.load(str(_TRAIN_DIR.value))
    return PretrainingConfig(
        model=model_config(
            _SIZE.value,
            vocab_size=info.vocab_size,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        data=DataConfig(
            train_dir=str(_TRAIN_DIR.value),
            eval_dir=str(_EVAL_DIR.value),
            max_seq_length=info.parameters.max_seq_length,
            max_predictions_per_seq=info.parameters.max_predictions_per_seq,
            global_batch_size=_BATCH_SIZE.value,
        ),
        optimizer=OptimizerConfig(
            learning_rate=_LEARNING_RATE.value,
            warmup_steps=_STEPS.value // 10,
            bias_correction=True,
        ),
        num_train_steps=_STEPS.value,
        log_interval=1,
        checkpoint_interval=_STEPS.value,
    )


def train_ours(config: PretrainingConfig) -> tuple[list[float], dict[str, float]]:
    """Runs the job.

    Returns:
        The training loss of each step, and `eval.json`.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = job_arguments(config, Path(folder))
        run_job(*job)
        results = read_json(Path(folder) / "run" / "eval.json")
        return [line["loss"] for line in read_metrics(Path(folder), "train")], results


def read_batches(
    directory: str, seed: int | None, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches in the order of a run, the last of an epoch whole or shorter.

    Args:
        directory: the data folder.
        seed: of the order, for ever; None for the order of the files, once.
        batch_size: examples of each.
    """
    from bert_tf.data.input_pipeline import pretraining_reader

    dataset = Dataset.open(directory)
    reader = pretraining_reader(
        dataset, dataset.examples(seed=seed), replica_batch_size=batch_size
    )
    position = 0
    while seed is not None or position < dataset.num_records:
        batch = {n: values[0, 0] for n, values in reader.read(position, 1).items()}
        left = batch_size if seed is not None else dataset.num_records - position
        yield {name: values[:left] for name, values in batch.items()}
        position += batch_size


def train_pytorch(config: PretrainingConfig) -> tuple[list[float], float]:
    """Does the same in PyTorch.

    Returns:
        The training loss of each step, and the held-out masked-LM loss at the end.
    """
    import torch

    from benchmarks import pytorch_pretraining

    model = pytorch_pretraining.make_model(config.model, config.seed)
    recipe = config.optimizer
    groups: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
    for parameter in model.parameters():
        # Vectors are biases and LayerNorms, which don't decay.
        groups[parameter.ndim > 1].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": recipe.weight_decay_rate},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        betas=(recipe.beta_1, recipe.beta_2),
        eps=recipe.epsilon,
    )
    size, curve = config.data.global_batch_size, []
    batches = read_batches(config.data.train_dir, config.seed, size)
    for step in tqdm(range(config.num_train_steps), desc="PyTorch", unit=" steps"):
        rate = schedules.learning_rate(recipe, step, config.num_train_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss_sum, weight_sum, pairs = pytorch_pretraining.losses(model, next(batches))
        loss = loss_sum / weight_sum + pairs
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimizer.step()
        curve.append(loss.item())
    total = np.zeros(2)
    with torch.no_grad():
        for batch in read_batches(config.data.eval_dir, None, size):
            loss_sum, weight_sum, _ = pytorch_pretraining.losses(model, batch)
            total += [loss_sum.item(), weight_sum.item()]
    return curve, float(total[0] / total[1])


def main(argv: Sequence[str]) -> None:
    """Prints both losses and their difference."""
    del argv
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    config = make_config().validate()
    curve, results = train_ours(config)
    their_curve, theirs = train_pytorch(config)
    ours = results["masked_lm_loss"]
    # Single batches are noisy, but both runs see the same ones.
    largest = max(abs(a / b - 1) for a, b in zip(curve, their_curve, strict=True))
    print(
        f"Held-out masked-LM loss after {config.num_train_steps} steps of BERT-"
        f"{_SIZE.value}, batch {config.data.global_batch_size}: {ours:.4f} here, "
        f"{theirs:.4f} in PyTorch, a difference of {ours / theirs - 1:+.2%}. Token "
        f"frequencies alone: {results['unigram_loss']:.4f}.\n"
        f"Training loss: {curve[0]:.3f} at first, {np.mean(curve[-50:]):.4f} here and "
        f"{np.mean(their_curve[-50:]):.4f} in PyTorch over the last 50 steps; of one "
        f"batch at most {largest:.2%} apart."
    )


def cli() -> None:
    """Starts the benchmark from a command line."""
    jobs.run(main, required=["train_dir", "eval_dir"])


if __name__ == "__main__":
    cli()
