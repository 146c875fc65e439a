"""Whether TFLite files that write do so as the checkpoint does."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from bert_tf.tasks.writing import SHOWN, Writing
from export.check.litert_writing import LiteRtWriter, Written, table
from export.checkpoint.pretrained import TrainedModel
from export.tflite import text_writing


def measure(
    trained: TrainedModel,
    contents: Mapping[str, bytes],
    scratch: Path,
    *,
    eval_data: str,
    max_examples: int,
    max_drop: float,
) -> tuple[str, list[str]]:
    """Lets Keras and files write of held-out texts, by the likeliest token.

    Args:
        trained: what the files are of, an encoder-decoder.
        contents: of files by name; `float32` has to write the same tokens as Keras.
        scratch: a folder for them meanwhile.
        eval_data: labelled texts.
        max_examples: how many of them.
        max_drop: how much of chrF another file may lose, as a share of 1.

    Returns:
        A table as text, and what is wrong, if anything.

    Raises:
        InputError: examples longer than the file takes.
    """
    task = trained.task
    assert isinstance(task, SequenceToSequenceTask), "others have nothing to score"
    source = task.open_held_out(eval_data, trained.folder.vocabulary)
    assert isinstance(source, LabelledSource)
    writing = Writing.of(source, max_examples, text_writing.most_tokens(trained))
    assert writing is not None
    size = min(16, writing.source.num_examples)
    reader = writing.source.reader(replica_batch_size=size)
    positions = range(0, writing.source.num_examples, size)
    batches = [reader.read(position, 1) for position in positions]
    texts = {
        name: np.concatenate(
            [_padded(trained, batch[name][0, 0], eval_data) for batch in batches]
        )
        for name in writing.inputs
    }
    texts = {n: v[: writing.source.num_examples] for n, v in texts.items()}
    write = tf.function(
        lambda batch: writing.write(trained.model, batch), autograph=False
    )
    expected = np.concatenate(
        [
            write({n: tf.constant(v[i : i + size]) for n, v in texts.items()}).numpy()
            for i in range(0, len(texts["input_ids"]), size)
        ]
    )
    vocabulary = writing.vocabulary
    results, failures = [_result("Keras", expected, expected, writing)], []
    for name, content in contents.items():
        path = scratch / name
        path.write_bytes(content)
        writer = LiteRtWriter(path)
        path.unlink()
        found = np.full_like(expected, vocabulary.pad_id)
        for row, tokens in enumerate(found):
            text = {n: v[row : row + 1] for n, v in texts.items()}
            written = writer.write([vocabulary.cls_id], vocabulary.sep_id, text)
            tokens[: len(written)] = written
        result = _result(name, found, expected, writing)
        results.append(result)
        if name == "float32" and result.same < result.count:
            failures.append(f"{name}: writes other tokens than Keras.")
        drop = results[0].metrics["chrf"] - result.metrics["chrf"]
        if drop > 100 * max_drop:
            failures.append(f"{name}: loses {drop:.2f} chrF.")
    return table(results), failures


def _padded(trained: TrainedModel, values: np.ndarray, eval_data: str) -> np.ndarray:
    """Returns rows of the length that a file takes."""
    missing = trained.max_seq_length - values.shape[1]
    if missing < 0:
        raise InputError(
            f"{eval_data}: its examples are {values.shape[1]} tokens long, but the "
            f"file takes at most {trained.max_seq_length} (--max_seq_length)."
        )
    return np.pad(values, [(0, 0), (0, missing)]).astype(np.int32)


def _result(
    name: str, found: np.ndarray, expected: np.ndarray, writing: Writing
) -> Written:
    scores = writing.score(found)
    same = int((found == expected).all(axis=1).sum())
    return Written(name, same, len(found), {metric: scores[metric] for metric in SHOWN})
