"""Model Garden's own pipeline reads what `data_prep` writes."""

import numpy as np
import pytest

from bert_tf.data import schema
from bert_tf.storage import example_codec, tfrecord

S, P, EXAMPLES = 16, 3, 8


@pytest.mark.garden
def test_its_pretraining_loader_reads_our_records(tmp_path):
    from official.nlp.data import pretrain_dataloader

    generator = np.random.default_rng(7)
    batch = {
        name: (
            generator.random((EXAMPLES, *feature.shape)).astype(np.float32)
            if feature.dtype == "float32"
            else generator.integers(0, 30_000, (EXAMPLES, *feature.shape))
        )
        for name, feature in schema.pretraining_features(S, P).items()
    }
    path = tmp_path / "train.tfrecord-00000-of-00001"
    with tfrecord.RecordWriter(path) as writer:
        writer.write(example_codec.encode_examples(batch))

    config = pretrain_dataloader.BertPretrainDataConfig(
        input_path=str(path),
        seq_length=S,
        max_predictions_per_seq=P,
        global_batch_size=EXAMPLES,
        is_training=False,
        use_next_sentence_label=True,
        use_position_id=False,
    )
    loaded = next(iter(pretrain_dataloader.BertPretrainDataLoader(config).load()))

    theirs = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
    assert len(loaded) == len(batch)
    for name, values in loaded.items():
        np.testing.assert_array_equal(values, batch[theirs.get(name, name)])
