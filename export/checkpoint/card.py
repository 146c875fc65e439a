"""The model card of an export: what its checkpoint knows, and what it became."""

from pathlib import Path

from bert_tf.checkpoints.workdir import CHECKPOINTS
from bert_tf.reporting import model_card
from bert_tf.storage.json_files import read_json
from bert_tf.training.run_comparison import SWEEP_FILE
from export.checkpoint.pretrained import TrainedModel


def write(
    path: Path, trained: TrainedModel, *, name: str, made: str, usage: str = ""
) -> None:
    """Writes the card.

    Args:
        path: where it goes.
        trained: what was exported.
        name: the title.
        made: what the checkpoint became, `a SavedModel`.
        usage: how it is used, Markdown under headings of its own.
    """
    folder = trained.folder
    notes = [
        f"This is {made} of texts of up to {trained.max_seq_length} tokens. The "
        "metrics are those of the checkpoint, in float32; `python -m "
        "export.verify_export` measures the export beside it."
    ]
    if untrained := folder.metadata.get("newly_initialised"):
        notes.append(
            f"{len(untrained)} of its variables were never trained: what is computed "
            "with them means nothing."
        )
    # The workdir's checkpoints are those of a run that was chosen among others.
    parent = folder.path.parent
    sweep_file = parent.parent / SWEEP_FILE
    if parent.name == CHECKPOINTS and sweep_file.is_file():
        notes.append(str(read_json(sweep_file)["note"]))
    origin = folder.metadata.get("origin") or (
        "Its checkpoint does not say what it was trained on."
    )
    measured = folder.metadata.get("held_out_metrics") or {}
    command = "python -m bert_tf.run_finetuning, with the settings of the checkpoint's"
    if trained.task.name == "pretraining":
        command = command.replace("finetuning", "pretraining")
    model_card.write(
        path,
        trained.task.description,
        name=name,
        origin=f"{origin} Exported from step {folder.step}.",
        metrics=model_card.shown_metrics(trained.task.shown, measured),
        command=f"{command} workdir" if measured else "",
        notes=notes,
        usage=usage,
    )
