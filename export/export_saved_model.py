r"""Writes a checkpoint as a SavedModel that takes text.

Example:
    python -m export.export_saved_model \
        --checkpoint=build/demo/workdir --output_dir=models/bert

The checkpoint is a training workdir (its newest checkpoint is taken), one of its
checkpoints (`WORKDIR/checkpoints/best`), or a folder that `bert_tf.convert_checkpoint`
wrote. TF Serving wants a folder a version: the next one of `--output_dir` is written,
or the one that its name says, as in `models/bert/1`.
"""

from collections.abc import Sequence
from typing import Any

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError
from export.saved_model import precision_request
from export.saved_model.versions import version_dir

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Workdir or model folder.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "The model's folder, or a new version's in it."
)
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Longer texts are cut. By default what the model was trained with.",
)
_TOP_K = flags.DEFINE_integer(
    "top_k", None, "Fillings for each [MASK]; 5 by default.", lower_bound=1
)
_GENERATION_CONFIG = flags.DEFINE_string(
    "generation_config",
    None,
    'JSON file of a search\'s settings, as {"num_beams": 4, "max_new_tokens": 64}, '
    "for models that write; greedy search by default.",
)
_SIGNATURES = flags.DEFINE_enum(
    "signatures",
    "all",
    ["all", "ids"],
    "`ids` leaves out the signatures that take text, for servers that do not link "
    "TensorFlow Text. TF Serving does.",
)
_STATIC_SHAPE = flags.DEFINE_string(
    "static_shape",
    None,
    "Batch size and length, as in 8x128: `serve_ids` alone is written, and takes "
    "nothing else. For XLA and TPUs, which compile a program a shape.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    precision_request.PRECISIONS,
    "What products are computed in. `auto` takes bfloat16 where this processor has it "
    "and the model is faster with it; both need --eval_data.",
)
_EVAL_DATA = flags.DEFINE_string(
    "eval_data", None, "Held-out examples, to measure what another precision loses."
)
_MAX_METRIC_DROP = flags.DEFINE_float(
    "max_metric_drop",
    0.005,
    "How much of the task's main metric another precision may lose on them, as a share "
    "of 1.",
    lower_bound=0.0,
)
_TOKENS_AT_ONCE = flags.DEFINE_integer(
    "tokens_at_once",
    None,
    "The texts of a request run in parts of so many tokens, the longest first, so that "
    "short ones do not pay for long ones: 512 at BERT-base's width, more for "
    "smaller ones. 0 for all at once, for GPUs.",
    lower_bound=0,
)
_WARMUP_BATCH_SIZES = flags.DEFINE_list(
    "warmup_batch_sizes",
    ["1", "8", "32"],
    "Batch sizes of the requests that TF Serving answers before it serves the version; "
    "empty for no such requests.",
)


def main(argv: Sequence[str]) -> None:
    """Loads the checkpoint and writes the SavedModel."""
    from bert_tf.checkpoints.workdir import resolve_checkpoint
    from bert_tf.storage import files
    from export.checkpoint import pretrained
    from export.saved_model import parts_request

    output_dir = version_dir(str(_OUTPUT_DIR.value))
    static_batch_size, max_seq_length = _static_shape(
        _STATIC_SHAPE.value, _MAX_SEQ_LENGTH.value
    )
    batch_sizes = _batch_sizes(_WARMUP_BATCH_SIZES.value)
    folder = resolve_checkpoint(str(_CHECKPOINT.value))
    with_text = _SIGNATURES.value == "all" and static_batch_size is None
    generation = _generation_config(
        _GENERATION_CONFIG.value, folder.task.name, with_text=with_text
    )
    eval_data = _EVAL_DATA.value
    precision_request.check(_PRECISION.value, has_eval_data=eval_data is not None)
    parts_request.check(_TOKENS_AT_ONCE.value, folder.task.name, with_text=with_text)
    folder.task.checked_max_seq_length(
        folder.config.max_position_embeddings, max_seq_length
    )
    # Entered before the work, so that a folder that cannot be written is told at once.
    with files.atomic_path(output_dir) as temporary:
        from bert_tf.reporting import model_card
        from export.checkpoint import card
        from export.saved_model import precision, saving, usage, warmup

        trained = pretrained.load(
            folder, max_seq_length, top_k=_TOP_K.value, generation=generation
        )
        pretrained.warn_of_int8_training(trained, "a SavedModel")
        chosen = precision.choose(
            _PRECISION.value, trained, has_eval_data=eval_data is not None
        )
        description = saving.save(
            temporary,
            precision.converted(trained, chosen.name),
            with_text=with_text,
            static_batch_size=static_batch_size,
            precision_reason=chosen.reason,
            tokens_at_once=_TOKENS_AT_ONCE.value,
        )
        if chosen.name != "float32":
            precision.check_accuracy(
                temporary, trained, str(eval_data), _MAX_METRIC_DROP.value
            )
        name, version = output_dir.resolve().parts[-2:]
        if batch_sizes:
            warmup.write(temporary, trained, model_name=name, batch_sizes=batch_sizes)
        card.write(
            temporary / model_card.FILE_NAME,
            trained,
            name=f"{name}/{version}",
            made="a SavedModel",
            usage=usage.describe(temporary, trained, model_name=name),
        )
    print(
        f"Wrote {output_dir}: step {folder.step} of {folder.path}, texts of up to "
        f"{trained.max_seq_length} tokens, in {chosen.name}, signatures "
        f"{', '.join(description['signatures'])}."
    )
    print(
        jobs.next_command(
            "export.verify_export",
            checkpoint=_CHECKPOINT.value,
            saved_model_dir=output_dir,
            eval_data="HELD_OUT_DATA",
            output_file="verification.json",
        )
    )


def _generation_config(
    path: str | None, task: str, *, with_text: bool
) -> dict[str, Any] | None:
    """Returns the settings of a search; None for the usual ones."""
    from bert_tf.storage.json_files import read_json
    from bert_tf.tasks.settings import WRITING_TASKS

    if path is None:
        return None
    if task not in WRITING_TASKS:
        raise InputError(
            f"--generation_config: a model of the task {task!r} has no signature that "
            "writes. Leave it out."
        )
    if not with_text:
        raise InputError(
            "--generation_config: the signatures that write take text, and "
            "--signatures=ids and --static_shape leave them out. Leave this out, too."
        )
    return read_json(path)


def _static_shape(
    value: str | None, max_seq_length: int | None
) -> tuple[int | None, int | None]:
    """Returns the batch size and the length, None for any."""
    if value is None:
        return None, max_seq_length
    batch_size, _, length = value.partition("x")
    if not (batch_size.isdecimal() and length.isdecimal() and int(batch_size)):
        raise InputError(
            "--static_shape must be a batch size and a length, as in 8x128. Received: "
            f"{value!r}"
        )
    if max_seq_length not in (None, int(length)):
        raise InputError(
            f"--max_seq_length={max_seq_length} contradicts --static_shape={value}."
        )
    return int(batch_size), int(length)


def _batch_sizes(values: Sequence[str]) -> list[int]:
    if not all(value.isdecimal() and int(value) for value in values):
        raise InputError(
            "--warmup_batch_sizes must be positive numbers between commas. Received: "
            f"{','.join(values)!r}"
        )
    return sorted(set(map(int, values)))


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["checkpoint", "output_dir"])


if __name__ == "__main__":
    cli()
