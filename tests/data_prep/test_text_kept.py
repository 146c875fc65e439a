"""How much of a text reaches the records, whatever script it is written in."""

import dataclasses
import functools
from pathlib import Path

import pytest

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.storage.input_files import InputFile
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import WordSplitter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep import vocabulary as vocabularies
from data_prep.corpus import CorpusOptions, InputReport, read_file
from data_prep.corpus_tokenization import CorpusSource, make_tokenize
from data_prep.documents import Documents, ShardAssignment
from data_prep.instances import make_instances
from data_prep.statistics import (
    add_counts,
    count_batch,
    count_documents,
    summarize,
)

FILES = {
    path.stem: path for path in (Path(__file__).parents[1] / "data/udhr").glob("*.txt")
}
# So small that a text of three articles fills many examples.
PARAMETERS = DataParameters(max_seq_length=64, max_predictions_per_seq=10)
VOCAB_SIZE = 350
NUM_DOCUMENTS = 6


@dataclasses.dataclass(frozen=True)
class Kept:
    """What became of a language's text.

    Attributes:
        own: tokens of the text in records, a pass, per token of the text: 1 if no token
            is lost.
        all: the same with those of random segments, which come from the text as well.
        random_pairs: share of pairs whose second segment is random.
        unknown_characters: share of characters in words that became [UNK].
    """

    own: float
    all: float
    random_pairs: float
    unknown_characters: float


@functools.cache
def kept(language: str, directory: Path) -> Kept:
    """Prepares documents of running text, each a single paragraph."""
    articles = FILES[language].read_text(encoding="utf-8").split("\n\n")
    report, documents = InputReport(), []
    for number in range(NUM_DOCUMENTS):
        first = number % len(articles)
        text = " ".join(map(str.strip, articles[first:] + articles[:first]))
        path = directory / f"{language}-{number}.txt"
        path.write_text(text, encoding="utf-8")
        file = InputFile(path, path.stat().st_size)
        # The language isn't named: a corpus of many is read at once.
        documents += read_file(file, CorpusOptions(input_format="prose"), report)

    config = TokenizerConfig(strip_accents=False)
    splitter = WordSplitter(config)
    sentences = [sentence for document in documents for sentence in document]
    words = vocabularies.count_words(sentences, splitter)
    room = VOCAB_SIZE - len(SPECIAL_TOKENS)
    alphabet = vocabularies.choose_alphabet(words, splitter, 1.0, room)
    # Each word once: else the few words of a short text would all be entries.
    entries = vocabularies.train(type(words)(words.keys()), alphabet, VOCAB_SIZE)
    vocabulary = Vocabulary.from_entries(entries, config)
    source = CorpusSource([], CorpusOptions(), vocabulary, ShardAssignment(1))
    tokenized = make_tokenize(source)(sentences)

    lengths = [len(document) for document in documents]
    shard = Documents.from_lengths(tokenized.tokens, tokenized.lengths, lengths)
    masking = MaskingVocabulary.of(vocabulary)
    counts = count_documents(shard)
    for batch in make_instances(shard, masking, PARAMETERS, shard_index=0):
        counts = add_counts(counts, count_batch(batch, masking))
    summary = summarize(counts, PARAMETERS)
    text_tokens = summary["num_tokens"] - 3 * summary["num_records"]
    return Kept(
        own=1 - summary["cut_off_rate"],
        all=text_tokens / len(shard.tokens) / PARAMETERS.dupe_factor,
        random_pairs=summary["random_pair_rate"],
        unknown_characters=(
            tokenized.num_unknown_characters / tokenized.num_characters
        ),
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("udhr")


def test_there_are_twenty_scripts_beside_latin():
    assert len(FILES) == 21


@pytest.mark.parametrize("language", sorted(FILES))
def test_a_text_is_kept_as_english_is(language, directory):
    found, english = kept(language, directory), kept("eng", directory)
    assert found.own > 0.9 * english.own
    assert found.all > 0.9 * english.all
    assert found.random_pairs < 0.65
    assert found.unknown_characters < 0.01
