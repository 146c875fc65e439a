"""A checkpoint with weights that nobody trained, and records of its vocabulary."""

from pathlib import Path

import numpy as np

from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.config import BertConfig
from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.tfrecord import RecordWriter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

WORDS = "the state of union is strong , we must work for peace . ##s ##ing é".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
S, P = 16, 4


def write_checkpoint(directory: Path, hidden_act: str = "gelu") -> Path:
    from bert_tf.models import BertPretrainer, named_variables

    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        hidden_act=hidden_act,
        max_position_embeddings=S,
    )
    rng = np.random.default_rng(0)
    variables = {
        # Far from the initial values, so that no variable's part is lost in rounding.
        name: np.asarray(value)
        + 0.2 * rng.standard_normal(value.shape, dtype=np.float32)
        for name, value in named_variables(BertPretrainer(config)).items()
    }
    vocabulary = Vocabulary.from_entries(VOCABULARY, TokenizerConfig())
    return save_model_folder(
        directory, config=config, variables=variables, vocabulary=vocabulary, step=7
    )


def write_records(
    directory: Path, checkpoint_dir: Path, seq_length: int = S, num_records: int = 20
) -> Path:
    """Random examples: these tests compare models, they don't teach them."""
    rng = np.random.default_rng(1)
    shape = (num_records, seq_length)
    lengths = rng.integers(8, seq_length + 1, [num_records, 1])
    mask = (np.arange(seq_length) < lengths).astype(int)
    examples = {
        "input_ids": rng.integers(5, len(VOCABULARY), shape) * mask,
        "input_mask": mask,
        "segment_ids": (np.arange(seq_length) >= lengths // 2) * mask,
        "masked_lm_positions": rng.integers(1, 7, [num_records, P]),
        "masked_lm_ids": rng.integers(5, len(VOCABULARY), [num_records, P]),
        "masked_lm_weights": (np.arange(P) < [[3]]).repeat(num_records, 0) * 1.0,
        "next_sentence_labels": rng.integers(0, 2, [num_records, 1]),
    }
    directory.mkdir()
    name = "toy.tfrecord-00000-of-00001"
    with RecordWriter(directory / name) as writer:
        writer.write(encode_examples(examples))
    vocabulary = Vocabulary.load(checkpoint_dir)
    vocabulary.save(directory)
    DatasetInfo(
        parameters=DataParameters(max_seq_length=seq_length, max_predictions_per_seq=P),
        vocab_size=len(VOCABULARY),
        vocab_hash=vocabulary.hash,
        shards=[Shard(name, num_records, writer.num_bytes, writer.sha256)],
    ).save(directory)
    return directory


def read_examples(directory: Path) -> dict[str, np.ndarray]:
    """All examples of a folder of records."""
    from bert_tf.data.record_source import RecordSource

    source = RecordSource.open(directory, seed=None)
    batches = source.reader(replica_batch_size=source.num_examples).read(0, 1)
    return {name: values[0, 0] for name, values in batches.items()}
