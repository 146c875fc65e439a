"""The masked tokens of a data set, counted for the unigram baseline."""

import numpy as np

from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.input_pipeline import open_examples, pretraining_reader

_BATCH = 1000


def masked_token_counts(
    directory: str, info: DatasetInfo, *, seed: int, max_examples: int
) -> np.ndarray:
    """Counts the masked tokens of examples drawn at random.

    Args:
        directory: the data folder.
        info: its description.
        seed: of the draw.
        max_examples: how many are drawn; all if there are fewer.

    Returns:
        int64 `[vocab_size]`.
    """
    stream = open_examples(directory, info, seed=seed, skip_damaged_records=True)
    total = min(stream.num_records, max_examples)
    counts = np.zeros(info.vocab_size, np.int64)
    for begin in range(0, total, _BATCH):
        reader = pretraining_reader(
            directory,
            stream,
            info,
            replica_batch_size=min(_BATCH, total - begin),
        )
        batch = reader.read(begin, 1)
        ids = batch["masked_lm_ids"][batch["masked_lm_weights"] > 0]
        counts += np.bincount(ids, minlength=info.vocab_size)
    return counts
