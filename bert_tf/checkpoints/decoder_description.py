"""What a model folder says of the decoder of an encoder-decoder model.

Beside the encoder's configuration and vocabulary, which every model folder has, the
settings of the task's description hold

- `decoder_config`: a `BertConfig`'s fields; None for the encoder's;
- `decoder_vocabulary`: `entries`, `do_lower_case` and `strip_accents` of what is
  written; None for the encoder's;
- `shared`: what both have in common, see `models.encoder_decoder.SHARED`.
"""

from collections.abc import Mapping
from typing import Any

from bert_tf.config import BertConfig
from bert_tf.storage.json_files import from_dict
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

TASK = "sequence_to_sequence"
"""The task of such models."""

SETTINGS = ("decoder_config", "decoder_vocabulary", "shared")
"""The settings that describe a decoder."""


def config_of(settings: Mapping[str, Any]) -> BertConfig | None:
    """Returns the decoder's configuration; None for the encoder's.

    Args:
        settings: of a task's description.
    """
    stated = settings.get("decoder_config")
    if stated is None:
        return None
    config: BertConfig = from_dict(BertConfig, stated, "the model's decoder_config")
    return config.validate()


def vocabulary_of(settings: Mapping[str, Any]) -> Vocabulary | None:
    """Returns the vocabulary of what is written; None for the encoder's.

    Args:
        settings: of a task's description.
    """
    stated = settings.get("decoder_vocabulary")
    if stated is None:
        return None
    config = TokenizerConfig(stated["do_lower_case"], stated["strip_accents"])
    source = "the model's decoder_vocabulary"
    return Vocabulary.from_entries(stated["entries"], config, source)


def describe_vocabulary(vocabulary: Vocabulary) -> dict[str, Any]:
    """Returns the setting `decoder_vocabulary` of a vocabulary."""
    return {
        "entries": list(vocabulary.entries),
        "do_lower_case": vocabulary.config.do_lower_case,
        "strip_accents": vocabulary.config.strips_accents,
    }
