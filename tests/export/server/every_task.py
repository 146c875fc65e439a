"""A SavedModel with a signature of every task, of models that nobody trained."""

import keras
import tensorflow as tf
from toy_checkpoint import VOCABULARY, S

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.tasks.catalog import create_task
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

BEAMS = {"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 4}
DESCRIPTIONS = {
    "fill_mask": TaskDescription("pretraining", S),
    "classification": TaskDescription("classification", S, ("good", "<b>bad</b>")),
    "multi_label": TaskDescription("multi_label", S, ("new", "old", "borrowed")),
    "regression": TaskDescription("regression", S, ("value",)),
    "embedding": TaskDescription("embedding", S),
    # Tags that mark no entities: every word is one.
    "tagging": TaskDescription("token_classification", S, ("NOUN", "VERB")),
    "answers": TaskDescription(
        "question_answering", S, (), {"max_query_length": 4, "doc_stride": 4}
    ),
    "choices": TaskDescription("multiple_choice", S),
    "writing": TaskDescription("causal_lm", S, (), {"generation": BEAMS}),
    "summary": TaskDescription("extractive_summarization", S, (), {"max_sentences": 1}),
}


def write(directory):
    """Writes it as version 1 of a model."""
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=S,
    )
    tokenizer = BertTokenizer(Vocabulary.from_entries(VOCABULARY, TokenizerConfig()))
    keras.utils.set_random_seed(0)
    module = tf.Module()
    module.model_variables = []
    module.functions = {}
    for name, description in DESCRIPTIONS.items():
        task = create_task(description)
        model = task.create_model(config)
        module.model_variables += [variable.value for variable in model.weights]
        endpoint = task.endpoints(model, tokenizer, S)["serving_default"]
        module.functions[name] = function_of(endpoint)
    tf.saved_model.save(module, str(directory / "1"), signatures=module.functions)
    return directory


def function_of(endpoint):
    names = list(endpoint.inputs)

    def run(*values):
        return endpoint.function(dict(zip(names, values, strict=True)))

    return tf.function(run, input_signature=list(endpoint.inputs.values()))
