"""Examples of every task that distils, and a run's task and batches without the run."""

import dataclasses

import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.errors import validated
from bert_tf.tasks import settings
from bert_tf.training import compressed, finetuning

SHAPE = BertConfig(17, 8, 3, 2, 12, "gelu", 0.0, 0.0, 16)
TEXTS = [f"{'heart card'[i % 2 :]} the of {'ache ' * (i % 4)}{i}" for i in range(12)]


@dataclasses.dataclass(frozen=True)
class Row:
    """A task: its settings, labels, outputs, examples; its teacher's settings and head.

    Of choices the head is larger: a teacher that is sure of none teaches nothing.
    """

    settings: settings.TaskSettings
    labels: tuple[str, ...]
    outputs: int
    labelled: list
    unlabelled: list
    teacher: dict = dataclasses.field(default_factory=dict)
    head: float = 1.0


ROWS = {
    "classification": Row(
        settings.ClassificationSettings(),
        ("a", "b", "c"),
        3,
        [{"text": text, "label": "abc"[i % 3]} for i, text in enumerate(TEXTS)],
        [{"text": f"of {text}"} for text in TEXTS],
    ),
    "pair": Row(
        settings.ClassificationSettings(),
        ("a", "b"),
        2,
        [
            {"text": text, "text_pair": "the ache", "label": "ab"[i % 2]}
            for i, text in enumerate(TEXTS)
        ],
        [{"text": "of the", "text_pair": text} for text in TEXTS],
    ),
    "multi_label": Row(
        settings.MultiLabelSettings(),
        ("a", "b"),
        2,
        [{"text": t, "labels": ["a", "b"][: i % 3]} for i, t in enumerate(TEXTS)],
        [{"text": f"of {text}"} for text in TEXTS],
    ),
    "regression": Row(
        settings.RegressionSettings(),
        (),
        1,
        [{"text": text, "value": i % 5 / 4} for i, text in enumerate(TEXTS)],
        [{"text": f"of {text}"} for text in TEXTS],
    ),
    "token_classification": Row(
        settings.TokenClassificationSettings(),
        ("O", "B-A", "I-A"),
        3,
        [
            {"tokens": t.split(), "tags": ["B-A", "I-A", *"OOOOOOOO"][: len(t.split())]}
            for t in TEXTS
        ],
        [{"tokens": ["of", *text.split()]} for text in TEXTS],
    ),
    "question_answering": Row(
        settings.QuestionAnsweringSettings(doc_stride=2, max_query_length=3),
        (),
        2,
        [
            {
                "id": str(i),
                "question": "heart",
                "context": f"of the {text}",
                "answers": [{"text": "the", "answer_start": 3}],
            }
            for i, text in enumerate(TEXTS)
        ],
        [{"id": t, "question": "card", "context": f"of {t}"} for t in TEXTS],
    ),
    "multiple_choice": Row(
        settings.MultipleChoiceSettings(),
        (),
        1,
        [
            {"text": t, "choices": ["heart", "card", *["ache"] * (i % 3)], "label": 1}
            for i, t in enumerate(TEXTS)
        ],
        [{"text": f"of {t}", "choices": ["the ache", "of", t]} for t in TEXTS],
        head=1000.0,
    ),
    "embedding": Row(
        settings.EmbeddingSettings(normalize=True),
        (),
        1,
        [{"text": text, "text_pair": f"the {text}"} for text in TEXTS],
        [{"text": f"of {text}"} for text in TEXTS],
        {"normalize": True},
    ),
    "extractive_summarization": Row(
        settings.ExtractiveSummarizationSettings(),
        (),
        1,
        [
            {"sentences": [t, *["of the"] * (i % 3)], "labels": [1, *[0] * (i % 3)]}
            for i, t in enumerate(TEXTS)
        ],
        [{"sentences": ["heart", f"of {text}", "ache"]} for text in TEXTS],
    ),
}

WRITERS = {
    "causal_lm": Row(
        settings.CausalLmSettings(), (), 1, [{"text": text} for text in TEXTS], []
    ),
    "sequence_to_sequence": Row(
        settings.SequenceToSequenceSettings(max_target_length=8, label_smoothing=0.2),
        (),
        1,
        [{"text": text, "target": f"card {text}"} for text in TEXTS],
        [],
    ),
}
# Of a sequence_to_sequence teacher nothing else is learned.
SOFT_LABELS_ALONE = dict.fromkeys(
    ("hidden_weight", "cosine_weight", "attention_weight", "relation_weight"), 0.0
)


def open_task(config):
    inputs = finetuning.open_inputs(validated(config, "--config."))
    shape = inputs.weights.config
    task = compressed.wrap(
        inputs.task, config, model_config=shape, num_steps=1, teacher=inputs.teacher
    )
    model = task.create_model(shape)
    finetuning.initialize(model, inputs.weights, inputs.task)
    return inputs, task, model


def read(source, count, *, pack, micro_batches=1):
    """Returns so many examples in each of some micro-batches."""
    reader = source.reader(replica_batch_size=count, pack=pack)
    found = []
    for index in range(micro_batches):
        batch = {
            name: tf.constant(values[0, index])
            for name, values in reader.read(0, micro_batches).items()
        }
        rows = batch.pop("num_rows", None)
        if rows is not None:
            batch = {name: values[:rows] for name, values in batch.items()}
        found.append(batch)
    return found


def means(task, model, source, count, *, pack, micro_batches=1):
    """The losses of so many examples."""
    batches = read(
        source, count // micro_batches, pack=pack, micro_batches=micro_batches
    )
    sums, weights = dict.fromkeys(task.losses, 0.0), dict.fromkeys(task.losses, 0.0)
    for batch in batches:
        outputs = task.apply(model, batch, training=True)
        found = task.sums(outputs, batch, training=True)
        counts = task.weights(batch)
        for name in task.losses:
            sums[name] += float(found[f"{name}_loss"])
            weights[name] += float(counts[name])
    return {n: sums[n] / weights[n] for n in task.losses}, weights
