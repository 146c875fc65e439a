r"""Converts BERT weights between formats, and resizes them on the way.

Reads a model folder or workdir of ours, a Hugging Face folder (safetensors), a
google-research/bert TF1 checkpoint or a SavedModel with its names, a Model Garden TF2
checkpoint, a KerasHub preset; which of them it is shows from the files.

    python -m bert_tf.convert_checkpoint --from=all-MiniLM-L6-v2 --to=/tmp/minilm
    python -m bert_tf.convert_checkpoint --from=/tmp/workdir --to=/tmp/hub \
        --to_format=hugging_face
    python -m bert_tf.convert_checkpoint --from=uncased_L-12_H-768_A-12 \
        --to=/tmp/medical --vocab_file=medical/vocab.txt --num_hidden_layers=6
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs

_FROM = flags.DEFINE_string("from", None, "What to convert.")
_TO = flags.DEFINE_string("to", None, "The folder to create.")
_TO_FORMAT = flags.DEFINE_enum(
    "to_format",
    "native",
    ["native", "hugging_face", "tf1", "model_garden", "keras_hub"],
    "The format written.",
)
_STRICT = flags.DEFINE_bool(
    "strict", False, "Refuse if a weight is left over or had to be newly initialized."
)
_VOCAB_FILE = flags.DEFINE_string(
    "vocab_file",
    None,
    "The result's vocabulary. A source with another one is adapted: shared entries "
    "keep their rows, new ones start at the mean of their pieces. A "
    "tokenizer_config.json beside it says whether text is lower-cased.",
)
_POSITIONS = flags.DEFINE_integer(
    "max_position_embeddings", None, "Make room for sequences of this length."
)
_LAYERS = flags.DEFINE_integer(
    "num_hidden_layers", None, "Keep this many layers, evenly spread."
)


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    source, target = _FROM.value, _TO.value
    assert source and target  # `cli` requires both.
    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.conversion import report, resizing, vocabularies
    from bert_tf.reporting import model_card

    weights = conversion.load_any(source)
    if _VOCAB_FILE.value is not None:
        vocabulary = vocabularies.read_file(Path(_VOCAB_FILE.value))
        weights = resizing.with_vocabulary(weights, vocabulary)
    if _POSITIONS.value is not None:
        weights = resizing.with_positions(weights, _POSITIONS.value)
    if _LAYERS.value is not None:
        weights = resizing.with_layers(weights, _LAYERS.value)

    new = conversion.save(weights, target, _TO_FORMAT.value, strict=_STRICT.value)
    if _TO_FORMAT.value == "hugging_face":
        model_card.write(
            Path(target) / model_card.FILE_NAME,
            weights.task,
            name=Path(target).name,
            origin=f"Converted from the {weights.format} checkpoint {Path(source).name}"
            " with `python -m bert_tf.convert_checkpoint`.",
            notes=[*weights.history, *weights.notes],
        )
    print(report.table(weights, new))
    print("\n".join(["", *weights.notes]))
    print(
        f"{len(weights.variables)} variables mapped, {len(new)} newly initialized, "
        f"{len(weights.left_over)} left over.\n"
        f"{source} ({weights.format}) -> {target} ({_TO_FORMAT.value})"
    )


def cli() -> None:
    """Starts the job from the command line."""
    jobs.run(main, required=["from", "to"])


if __name__ == "__main__":
    cli()
