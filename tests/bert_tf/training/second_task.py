"""A task that the library knows nothing of: does B follow A? Run as a script, too."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BatchConfig, BertConfig, OptimizerConfig
from bert_tf.data.record_source import RecordSource
from bert_tf.models.sequence_classifier import SequenceClassifier
from bert_tf.ops.cross_entropy import cross_entropy, is_highest
from bert_tf.tasks import catalog, text_endpoints
from bert_tf.tasks.endpoint import Endpoint
from bert_tf.tasks.task import Task
from bert_tf.training import cluster, run
from bert_tf.training.config import RunConfig


class OrderTask(Task):
    name, quality, shown = "order", "order_accuracy", {"order_accuracy": "accuracy"}
    losses, counts = ("order",), ("order_correct",)

    def create_model(self, config, **settings):
        return SequenceClassifier(config, 2, **settings)

    def input_lengths(self, max_seq_length):
        return dict.fromkeys(("input_ids", "input_mask", "segment_ids"), max_seq_length)

    def leave_out(self, batch, real):
        return {**batch, "real": real}

    def real_rows(self, batch):
        return batch.get("real", tf.ones(tf.shape(batch["input_ids"])[:1]))

    def weights(self, batch):
        return {"order": tf.reduce_sum(self.real_rows(batch))}

    def sums(self, outputs, batch, *, training=False):
        labels = tf.cast(batch["next_sentence_labels"][:, 0], tf.int32)
        logits, real = outputs["logits"], self.real_rows(batch)
        loss = tf.reduce_sum(cross_entropy(logits, labels) * real)
        correct = tf.reduce_sum(is_highest(logits, labels) * real)
        return {"order_loss": loss, "order_correct": correct}

    def predictions(self, outputs, batch):
        return {"logits": outputs["logits"]}

    def score(self, source, predictions):
        return {"share_of_random": float(np.mean(predictions["logits"].argmax(-1)))}

    def endpoints(self, model, tokenizer, max_seq_length):
        pack = text_endpoints.TextInputs(tokenizer, max_seq_length).pack
        texts = text_endpoints.text_specs("text")
        answer = Endpoint(texts, lambda given: model(pack(given["text"])))
        return {"serving_default": answer}

    def open_held_out(self, path, vocabulary):
        return RecordSource.open(path, seed=None)


catalog.TASKS["order"] = OrderTask


def main(workdir, train_dir, eval_dir, strategy):
    train = RecordSource.open(train_dir, seed=1)
    held_out = [RecordSource.open(eval_dir, seed=None)]
    shape = BertConfig(32, 32, 1, 2, 64, "gelu", 0.0, 0.0, 16)
    config = RunConfig(strategy=strategy, steps_per_call=2, log_interval=1)
    config.checkpoint_interval = 4
    task, batch = OrderTask(TaskDescription("order", 16)), BatchConfig(8)
    phase = run.PhasePlan(task, batch, 16, OptimizerConfig(), train, held_out)
    plan = config, shape, Path(workdir), train.dataset.vocabulary, [phase]
    run.train_and_evaluate(run.Plan(*plan, initialize=lambda model: None))


if __name__ == "__main__":
    cluster.check_strategy(sys.argv[4])
    main(*sys.argv[1:])
