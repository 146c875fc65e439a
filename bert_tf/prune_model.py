r"""Leaves the least important layers, attention heads and neurons out of a model.

    python -m bert_tf.prune_model --checkpoint=runs/reviews --input_file=train.csv \
        --keep_heads=0.5 --keep_neurons=0.5 --output_dir=models/reviews_pruned
    python -m bert_tf.run_finetuning --config=configs/finetune_classification.py \
        --config.init_from=models/reviews_pruned --config.data.train=train.csv \
        --workdir=runs/reviews_pruned

What matters least to the loss goes, by its gradients on examples of the model's task.
What comes out is a model folder like any other, smaller and faster; fine-tuning it once
more brings back most of what it lost. The checkpoint must be fine-tuned, or pretrained
and --input_file a folder of records.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

if TYPE_CHECKING:
    import keras

    from bert_tf.checkpoints.conversion import ModelWeights
    from bert_tf.compression.structure import Structure
    from bert_tf.data.source import ExampleSource
    from bert_tf.tasks.task import Task

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Workdir or model folder, or a model of another format."
)
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Examples that the model's task can be trained on."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "The model folder to create.")
_KEEP_LAYERS = flags.DEFINE_integer(
    "keep_layers", None, "How many layers stay; all if not given.", lower_bound=1
)
_KEEP_HEADS = flags.DEFINE_float(
    "keep_heads", 1.0, "The share of these layers' attention heads that stays."
)
_KEEP_NEURONS = flags.DEFINE_float(
    "keep_neurons", 1.0, "The share of their feed-forward neurons that stays."
)
_UNIFORM = flags.DEFINE_bool(
    "uniform",
    False,
    "Keep as many in each layer. Without heads pruned, other formats can hold that.",
)
_MAX_EXAMPLES = flags.DEFINE_integer(
    "max_examples",
    2000,
    "Measure on so many, drawn at random, of records the first; 0 for all.",
    lower_bound=0,
)


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    checkpoint, output_dir = str(_CHECKPOINT.value), Path(str(_OUTPUT_DIR.value))
    input_file, max_examples = str(_INPUT_FILE.value), _MAX_EXAMPLES.value
    if _KEEP_LAYERS.value is None and _KEEP_HEADS.value == _KEEP_NEURONS.value == 1:
        raise InputError(
            "Nothing is to be pruned. Set --keep_layers, --keep_heads or "
            "--keep_neurons."
        )
    from bert_tf.checkpoints import conversion
    from bert_tf.storage import files

    files.check_local(output_dir)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise InputError(f"{output_dir} already exists. Delete it or name another.")
    weights = conversion.load_any(checkpoint)
    from bert_tf.compression import importance, structure  # Loads TensorFlow.

    structure.check_prunable(weights, checkpoint)
    shares = structure.Shares(
        _KEEP_LAYERS.value, _KEEP_HEADS.value, _KEEP_NEURONS.value, _UNIFORM.value
    )
    shares.check(weights.config)
    task, source = _examples(weights, checkpoint, input_file)
    model = _model(task, weights, checkpoint)
    found = importance.measure(task, model, source, max_examples)
    kept = structure.choose(found, shares)
    pruned = structure.prune(weights, kept)
    pruned.history.append(
        f"{_describe(weights, kept)}, the most important on {input_file}."
    )
    conversion.save(pruned, output_dir, "native")

    print(f"{_describe(weights, kept)}:")
    for layer, heads, neurons in zip(
        kept.layers, kept.heads, kept.neurons, strict=True
    ):
        print(f"  layer {layer}: {len(heads)} heads, {len(neurons)} neurons")
    for note in pruned.notes[len(weights.notes) :]:
        print(note)
    before, after = _megabytes(weights), _megabytes(pruned)
    print(f"Weights: {after:,.1f} of {before:,.1f} MB")
    losses = [
        importance.mean_loss(task, each, source, max_examples)
        for each in (model, _model(task, pruned, output_dir))
    ]
    print(
        f"Loss on the examples: {losses[0]:.4f} before, {losses[1]:.4f} after. "
        "Fine-tuning brings it down again."
    )
    print(f"Wrote {output_dir}")
    print(
        jobs.next_command(
            "bert_tf.run_finetuning",
            config=f"configs/finetune_{weights.task.name}.py",
            **{"config.init_from": output_dir, "config.data.train": input_file},
            workdir="WORKDIR",
        )
    )


def _examples(
    weights: "ModelWeights", checkpoint: str, input_file: str
) -> "tuple[Task, ExampleSource]":
    """Opens the examples as the task of the model is trained on them."""
    from bert_tf.labelled.source import LabelledSource
    from bert_tf.tasks.catalog import create_task

    if weights.vocabulary is None:
        raise InputError(
            f"{checkpoint}: has no vocabulary, so no text can be read for it. Give it "
            "one with `python -m bert_tf.convert_checkpoint --vocab_file=...`."
        )
    described = weights.task
    positions = weights.config.max_position_embeddings
    task = create_task(
        dataclasses.replace(
            described, max_seq_length=described.max_seq_length or positions
        )
    )
    if task.name == "pretraining" and not Path(input_file).is_dir():
        raise InputError(
            f"{checkpoint}: has learned no task yet but pretraining, so --input_file "
            "must be a folder of records of data_prep.create_pretraining_data. "
            "Fine-tune the model first to prune it for a task. Received: "
            f"{input_file}"
        )
    source = task.open_held_out(input_file, weights.vocabulary)
    if isinstance(source, LabelledSource):
        source = dataclasses.replace(source, seed=0)  # Groups are whole in training.
    return task, source


def _model(task: "Task", weights: "ModelWeights", source: object) -> "keras.Model":
    from bert_tf.models import assign_variables

    model = task.create_model(weights.config)
    try:
        assign_variables(model, weights.variables)
    except InputError as error:
        raise InputError(
            f"{source}: nothing tells what matters to {task.name!r}. {error} Fine-tune "
            "the model first, with `python -m bert_tf.run_finetuning`."
        ) from error
    return model


def _describe(weights: "ModelWeights", kept: "Structure") -> str:
    """Returns what stays, as the beginning of a sentence."""
    config = weights.config
    all_layers = range(config.num_hidden_layers)
    heads = sum(map(config.heads_of, all_layers))
    neurons = sum(map(config.intermediate_size_of, all_layers))
    return (
        f"Of {len(all_layers)} layers, {heads:,} heads and {neurons:,} neurons kept "
        f"{len(kept.layers)}, {sum(map(len, kept.heads)):,} and "
        f"{sum(map(len, kept.neurons)):,}"
    )


def _megabytes(weights: "ModelWeights") -> float:
    return sum(array.nbytes for array in weights.variables.values()) / 1e6


def cli() -> None:
    """Starts the job from the command line."""
    jobs.run(main, required=["checkpoint", "input_file", "output_dir"])


if __name__ == "__main__":
    cli()
