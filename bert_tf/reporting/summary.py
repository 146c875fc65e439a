"""What a finished run leaves behind: `eval.json` and the report."""

import dataclasses
import json
from typing import Any

import tensorflow as tf

from bert_tf.data.input_pipeline import open_examples, pretraining_reader
from bert_tf.reporting.baseline import masked_token_counts
from bert_tf.reporting.report import write_report
from bert_tf.reporting.samples import Sample, fill_masks
from bert_tf.storage import files
from bert_tf.tasks import metrics
from bert_tf.training.loop import Run
from bert_tf.training.metrics_log import read_metrics
from bert_tf.training.preparation import PhaseData

EVAL_FILE = "eval.json"

# Enough for shares with three digits, and read in seconds.
_BASELINE_EXAMPLES = 50_000
_SAMPLES = 5


def write(run: Run, data: PhaseData) -> None:
    """Writes the files and prints what came of the run.

    Args:
        run: in the chief, at its end.
        data: of the last phase.
    """
    if data.eval is not None and not run.state.evaluation:
        print(f"{run.workdir} was finished by an earlier version, and stays as it is.")
        return
    results = _results(run, data)
    files.write_text(
        run.workdir / EVAL_FILE, json.dumps(results, indent=2, allow_nan=False) + "\n"
    )
    report = write_report(
        run.workdir,
        config=dataclasses.asdict(run.config),
        results=results,
        data={"examples": data.train.num_records, **data.train.statistics},
        devices=[device.name for device in tf.config.list_logical_devices()],
        metrics=read_metrics(run.workdir),
        samples=_samples(run, data),
    )
    if results.get("masked_lm_loss") is not None:
        print(
            f"Held-out masked-LM accuracy {results['masked_lm_accuracy']:.3f} (unigram "
            f"baseline {results['unigram_accuracy']:.3f}), loss "
            f"{results['masked_lm_loss']:.3f} ({results['unigram_loss']:.3f}), "
            f"perplexity {results['masked_lm_perplexity']:.1f}."
        )
    elif data.eval is not None and results["loss"] is None:
        print("The held-out loss is not finite: eval.json has null in its place.")
    print(f"Wrote {run.workdir / EVAL_FILE} and {report}.")


def _results(run: Run, data: PhaseData) -> dict[str, Any]:
    """Returns the last evaluation beside the unigram baseline's."""
    results: dict[str, Any] = {
        "step": run.state.step,
        "parameters": int(run.model.count_params()),
        "seconds": round(run.state.seconds, 1),
        "best_step": run.state.best_step,
    }
    if data.eval is None:
        return results
    counts = [
        masked_token_counts(
            directory, info, seed=run.config.seed, max_examples=_BASELINE_EXAMPLES
        )
        for directory, info in (
            (data.config.data.train_dir, data.train),
            (data.config.data.eval_dir, data.eval),
        )
    ]
    return {**results, **run.state.evaluation, **metrics.unigram_baseline(*counts)}


def _samples(run: Run, data: PhaseData) -> list[Sample]:
    """Returns a few held-out examples with the model's guesses."""
    if data.eval is None:
        return []
    directory = data.config.data.eval_dir
    stream = open_examples(directory, data.eval, seed=run.config.seed)
    reader = pretraining_reader(
        directory,
        stream,
        data.eval,
        replica_batch_size=min(_SAMPLES, stream.num_records),
    )
    batch = {name: values[0, 0] for name, values in reader.read(0, 1).items()}
    return fill_masks(run.model, batch, run.vocabulary)
