"""Examples as a TFLite file takes them."""

import numpy as np

from export.check import verification
from export.checkpoint.pretrained import TrainedModel


def read_inputs(
    trained: TrainedModel, path: str, max_examples: int
) -> list[dict[str, np.ndarray]]:
    """Returns the first examples of a file or folder as a file's inputs, one each.

    Args:
        trained: whose inputs they are.
        path: what the task calls held-out data.
        max_examples: how many at most.
    """
    source = trained.task.open_held_out(path, trained.folder.vocabulary)
    count = source.num_positions(min(max_examples, source.num_examples))
    examples = verification.read_examples(trained, source, count, path)
    names = list(trained.task.input_lengths(1))
    return [
        {name: examples[name][row : row + 1].astype(np.int32) for name in names}
        for row in range(count)
    ]
