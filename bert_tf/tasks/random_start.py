"""Where a run starts from that may start at random."""

from pathlib import Path

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.config import model_config
from bert_tf.errors import InputError
from bert_tf.text.vocabulary import VOCABULARY_NAME, Vocabulary


def load_start(size: str, init_from: str) -> ModelWeights:
    """Returns a checkpoint's weights, or those of a size: none.

    Args:
        size: a key of `config.SIZES`; empty for the checkpoint itself.
        init_from: a checkpoint; with a size also a `vocab.txt` or its folder.

    Raises:
        InputError: nothing of the kind there.
    """
    if not size:
        return load_any(init_from)
    path = Path(init_from)
    file = path / VOCABULARY_NAME if path.is_dir() else path
    vocabulary: Vocabulary | None
    if file.is_file() and file.suffix == ".txt":
        vocabulary = Vocabulary.load_file(file)
    else:
        vocabulary = load_any(path).vocabulary
    if vocabulary is None:
        raise InputError(
            f"init_from {init_from}: has no vocabulary, and a model that starts at "
            "random takes nothing else of it. Make one with "
            "`python -m data_prep.create_vocabulary`."
        )
    config = model_config(size, vocab_size=len(vocabulary))
    return ModelWeights("native", config, {}, vocabulary)
