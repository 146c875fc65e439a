"""What every framework of `benchmarks.finetuning` is told, and answers."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class Run:
    """One fine-tuning: data, model, and all hyper-parameters.

    Attributes:
        task: of `finetuning_data.TASKS`.
        train_file: written by `finetuning_data.prepare`.
        eval_file: likewise.
        model_dir: a Hugging Face folder to start from.
        output_dir: for what the run writes; its own.
        seed: Seed of the head's initial values, the order of examples and dropout.
        max_seq_length: tokens of an example.
        batch_size: examples of a step.
        num_epochs: passes over the training file.
        learning_rate: its peak, after warm-up; from there it falls linearly to 0.
        warmup_share: of all steps.
        weight_decay: decoupled, for all but biases and layer norms.
        max_grad_norm: gradients are clipped to this global norm.
        precision: float32 or bfloat16, of the products.
        predict_batch_size: of the timed prediction.
    """

    task: str
    train_file: str
    eval_file: str
    model_dir: str
    output_dir: str
    seed: int
    max_seq_length: int
    batch_size: int = 16
    num_epochs: int = 2
    learning_rate: float = 5e-5
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    precision: str = "float32"
    predict_batch_size: int = 32

    def to_json(self) -> str:
        """Returns the run as an argument for a process."""
        return json.dumps(dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run brought.

    Attributes:
        metrics: of `bert_tf.metrics`, on the held-out file.
        train_examples: examples of the training file; windows for answers.
        train_seconds: of training alone, tokenization and start-up left out.
        train_examples_per_second: over all epochs.
        total_seconds: from the start of the process until it had scored.
        predict_examples_per_second: texts of the held-out file, tokenization included;
            None where the task has no such prediction.
    """

    metrics: dict[str, float]
    train_examples: int
    train_seconds: float
    train_examples_per_second: float
    total_seconds: float
    predict_examples_per_second: float | None = None


# The metric that a comparison of each task is about.
HEADLINE = {
    "sentiment": "accuracy",
    "topics": "accuracy",
    "entities": "f1",
    "answers": "f1",
}
